"""The audit: its entries, how it is read, and its seals."""
