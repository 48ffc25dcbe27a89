"""Searching messages: criteria, the search statement, the index choice, pages of the log in any order, facet counts."""
