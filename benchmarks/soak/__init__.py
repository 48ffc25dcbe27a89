"""A soak test of a whole installation under mixed load, with processes that are killed: see `__main__`."""
