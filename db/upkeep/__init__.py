"""Keeping the log in order: what a purge removes, what a check recounts, the budgets of viewers."""
