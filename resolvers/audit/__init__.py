"""The audit: reading it, verifying its seals; and recounting the log."""
