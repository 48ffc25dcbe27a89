"""Regular work: purges, expired budgets, seals of the audit."""
