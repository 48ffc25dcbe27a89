"""Dispatch: due work, claims, changes of deliveries with their counters, provider rates, cancel and resend."""
