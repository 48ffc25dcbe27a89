"""Mailgun: emails, its events, and its codes."""
