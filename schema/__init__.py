"""The GraphQL contract: its types, its operations, and how they are bound to what answers them.

No rule and no statement is here: a field reads a record, works on one, or names a resolver.
"""
