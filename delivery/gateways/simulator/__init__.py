"""The simulated provider and its journal."""
