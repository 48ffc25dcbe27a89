"""Requested reports, the jobs that make them, the marks in them, and shared secrets."""
