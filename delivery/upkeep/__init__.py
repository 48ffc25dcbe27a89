"""Maintenance: purges, expired budgets, seals of the audit, background tasks of a request."""
