"""The rate limit of a provider, and its hold while it is down: shared by all processes and all messages.

`db.dispatch.provider_rate` reads and writes the rows; `delivery.dispatch.handover` sends.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final

import structlog

from db.dispatch import provider_rate
from db.dispatch.in_flight import LiveDelivery
from db.sql.connections import ReadConnection
from delivery.dispatch.runtime import Runtime
from delivery.gateways.base import NotAccepted, Outcome
from delivery.gateways.port import Gateway
from domain.retry import pause

EVENNESS: Final = timedelta(milliseconds=250)
"""The share of a provider's rate that one wave uses. A wave is sent as a burst, so bursts are this long."""

LONGEST_WAIT: Final = timedelta(seconds=30)
"""The longest wait for a provider's rate limit. A chunk that would wait longer is left to a later round."""

DOWN_FROM: Final = 10
"""A provider is down if it accepts none of at least this many deliveries; with fewer, an address may be the reason."""

_log = structlog.get_logger(__name__)


async def reserve(runtime: Runtime, gateway: Gateway, per_second: float, *, most: int) -> int:
    """Reserve up to `most` sends at a provider and wait for their time. Return how many; 0 if the wait is too long."""
    size = min(most, max(1, int(per_second * EVENNESS.total_seconds())))
    if not size:
        return 0
    async with runtime.database.writing() as connection:
        wait = await provider_rate.reserve(
            connection, gateway.name, handovers=size, per_second=per_second, longest=LONGEST_WAIT
        )
    if wait is None:
        return 0
    if wait:
        await (runtime.pace_sleep or runtime.sleep)(wait.total_seconds())
    return size


async def is_held(connection: ReadConnection, gateway: Gateway) -> bool:
    """Return whether a provider is on hold now."""
    return bool(held_gateways([gateway], await provider_rate.waits(connection)))


def held_gateways(gateways: Collection[Gateway], waits: Mapping[str, timedelta]) -> set[Gateway]:
    """Return those of `gateways` that are on hold. One with a rate limit counts only if the wait exceeds `LONGEST_WAIT`."""
    none = timedelta()
    return {
        gateway
        for gateway in gateways
        if waits.get(gateway.name, none) > (none if gateway.per_second is None else LONGEST_WAIT)
    }


async def hold_if_down(
    runtime: Runtime, gateway: Gateway, refused: Sequence[LiveDelivery], outcomes: Sequence[Outcome]
) -> None:
    """Put a provider on hold that accepted nothing of a wave, if the wave is large enough (`DOWN_FROM`).

    Otherwise every due delivery would try the provider in turn.
    """
    if len(refused) < DOWN_FROM:
        return
    ours = pause(min(delivery.attempts for delivery in refused), chance=runtime.chance())
    requested = max(
        (one.after for one in outcomes if isinstance(one, NotAccepted) and one.after is not None),
        default=timedelta(),
    )
    hold = max(ours, requested)
    async with runtime.database.writing() as connection:
        await provider_rate.hold(connection, gateway.name, pause=hold)
    _log.warning(
        "the provider accepts nothing and is on hold",
        gateway=gateway.name,
        seconds=hold.total_seconds(),
    )
