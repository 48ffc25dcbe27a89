"""Receipts: apply them, take in callbacks, poll providers for missing ones."""
