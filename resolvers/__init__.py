"""What one request does: load, decide, store.

Transactions begin here. The arguments of GraphQL fields belong to the functions that take them, which is the only reason
why this layer knows Strawberry. Rules are in `domain`, statements in `db`.
"""
