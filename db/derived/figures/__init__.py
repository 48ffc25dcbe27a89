"""Figures over many messages: counts of single messages, sums of days and months, and rows grouped by dimensions."""
