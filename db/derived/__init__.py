"""Rows that are derived from deliveries and kept up to date with them: the states of addresses, and figures."""
