"""The audit: writing entries, reading them, and its seals."""
