"""Ingest: from the bytes of an upload to rows in the staging tables."""
