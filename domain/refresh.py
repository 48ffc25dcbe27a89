"""The rules of refreshes: what can change by one, and how often the providers are polled for one message."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final

from domain.counting import Tally
from domain.status import DeliveryMode, DeliveryStatus

OPEN_AT_PROVIDER: Final = frozenset({DeliveryStatus.IN_PROGRESS, DeliveryStatus.SENT})
"""The statuses of a delivery that a provider has, and of which it may report more."""

PAUSE: Final = timedelta(seconds=15)
"""The least time between two refreshes of a message, by any viewers."""


def throttled_until(asked_at: datetime, *, now: datetime) -> datetime | None:
    """Return when providers that were polled at `asked_at` may be polled again; None if that is now."""
    until = asked_at + PAUSE
    return until if now < until else None


def may_refresh(
    tallies: Iterable[Tally],
    *,
    modes: Collection[DeliveryMode],
    is_recorded: bool,
    is_purged: bool,
) -> bool:
    """Return whether a refresh of a message can change anything; `modes` are those whose provider can be polled."""
    if is_recorded or is_purged:
        return False
    return any(
        tally.deliveries > 0
        and not tally.is_duplicate
        and tally.mode in modes
        and tally.status in OPEN_AT_PROVIDER
        for tally in tallies
    )
