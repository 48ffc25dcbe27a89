"""Sending: what is due, claims, what changes with an outcome, the rate of a provider, cancel and resend."""
