"""Ingest: the staging tables of new messages, and the statements that move them into the log."""
