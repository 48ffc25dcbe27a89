"""Resolves people: by id, by search, and the inbox of one account."""
