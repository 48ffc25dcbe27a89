"""Connections to SQLite and PostgreSQL: engines, drivers, deadlines, notices, and databases that are away."""
