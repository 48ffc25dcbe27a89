"""Receipts of providers: unmatched receipts, used signatures, due polls, and turns of a refresh."""
