"""Mutations of messages: cancel, refresh, resend."""
