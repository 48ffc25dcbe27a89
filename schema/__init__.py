"""The GraphQL contract: its types, its operations, and the binding of fields to records and resolvers.

A field reads a record, computes a value from one, or names a resolver. Rules are in `domain`, statements in `db`.
"""
