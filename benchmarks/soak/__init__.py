"""A whole installation under mixed load, of which processes are killed again and again: see `__main__`."""
