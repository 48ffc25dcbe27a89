"""The rate limit of refreshes: how often the providers are polled for one message."""

from datetime import datetime, timedelta
from typing import Final

PAUSE: Final = timedelta(seconds=15)
"""The least time between two refreshes of a message, by any viewers."""


def throttled_until(asked_at: datetime, *, now: datetime) -> datetime | None:
    """Return when providers that were polled at `asked_at` may be polled again; None if that is now."""
    until = asked_at + PAUSE
    return until if now < until else None
