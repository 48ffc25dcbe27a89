"""The rules of the log, as pure functions.

Nothing here reads a clock, a user's file, the network or a database: a rule takes the facts that it needs as arguments.
"""
