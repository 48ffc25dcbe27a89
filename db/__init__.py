"""The log in a database: tables, statements and records.

The rules are in `domain`. `resolvers` and `delivery` begin and end the transactions.
"""
