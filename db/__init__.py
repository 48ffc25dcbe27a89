"""The log in a database: tables, statements, records. The rules are in `domain`; when a transaction begins and ends is
decided above, in `resolvers` and `delivery`: nothing here commits.
"""
