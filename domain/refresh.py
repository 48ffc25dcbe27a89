"""How often the providers are asked for the outcomes of one message."""

from datetime import datetime, timedelta
from typing import Final

PAUSE: Final = timedelta(seconds=15)
"""From one time to the next, whoever asks."""


def throttled_until(asked_at: datetime, *, now: datetime) -> datetime | None:
    """When providers that were asked at `asked_at` may be asked again; None where that is now."""
    until = asked_at + PAUSE
    return until if now < until else None
