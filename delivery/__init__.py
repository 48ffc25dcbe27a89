"""Work in the background: what is due is handed to its provider, and what providers say comes back.

Nothing here knows of GraphQL or of the request that started something.
"""
