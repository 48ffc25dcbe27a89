"""Upkeep: purges, checks of counters and indexes, and the rate budgets of viewers."""
