"""Twilio: calls and texts, its callbacks, its codes, and the scripts of calls."""
