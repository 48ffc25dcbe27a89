"""Runners of background jobs: in this process, or by procrastinate."""
