"""The rules of the log, pure.

Nothing here reads a clock, a file of the user's, a network or a database, and nothing here imports more than the
standard library: a rule that needs a fact is given it.
"""
