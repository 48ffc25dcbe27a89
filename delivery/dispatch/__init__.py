"""Dispatch: find due deliveries, claim them, hand them to a gateway, and record the outcome."""
