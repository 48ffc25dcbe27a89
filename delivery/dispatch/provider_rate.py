"""How fast a provider is used, and when not at all: for all processes together, whichever message it is for.

The rows for that are `db.dispatch.provider_rate`'s; what is handed over, `delivery.dispatch.handover`'.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect.engine import writing
from db.dispatch import provider_rate
from db.dispatch.in_flight import LiveDelivery
from delivery.dispatch.runtime import Runtime
from delivery.gateways.base import NotAccepted, Outcome
from delivery.gateways.port import Gateway
from domain.retry import pause

EVENNESS: Final = timedelta(milliseconds=250)
"""How much of a provider's pace goes into one wave: what is sent at once is no more even than this."""

LONGEST_WAIT: Final = timedelta(seconds=30)
"""For a provider's pace. A chunk that would have to wait longer is left to a later sweep."""

DOWN_FROM: Final = 10
"""So many hand-overs of which a provider takes none: it is down, and not merely picky about an address."""

_log = structlog.get_logger(__name__)


async def reserve(runtime: Runtime, gateway: Gateway, per_second: float, *, most: int) -> int:
    """Reserve up to `most` places at a provider, and wait until they may be used; how many: 0 where it takes too long."""
    size = min(most, max(1, int(per_second * EVENNESS.total_seconds())))
    if not size:
        return 0
    async with writing(runtime.engine) as connection:
        wait = await provider_rate.reserve(
            connection, gateway.name, handovers=size, per_second=per_second, longest=LONGEST_WAIT
        )
    if wait is None:
        return 0
    if wait:
        await (runtime.pace_sleep or runtime.sleep)(wait.total_seconds())
    return size


async def is_held(connection: AsyncConnection, gateway: Gateway) -> bool:
    """Whether a provider is not to be used for now."""
    return bool(of_held([gateway], await provider_rate.waits(connection)))


def of_held(gateways: Collection[Gateway], waits: Mapping[str, timedelta]) -> set[Gateway]:
    """Those of `gateways` that are not to be used for now: one with a pace is merely waited for, up to a limit."""
    none = timedelta()
    return {
        gateway
        for gateway in gateways
        if waits.get(gateway.name, none) > (none if gateway.per_second is None else LONGEST_WAIT)
    }


async def hold_if_down(
    runtime: Runtime, gateway: Gateway, refused: Sequence[LiveDelivery], outcomes: Sequence[Outcome]
) -> None:
    """Hold a provider that took nothing of a wave, where that was enough to tell: or every delivery would try it in turn."""
    if len(refused) < DOWN_FROM:
        return
    ours = pause(min(delivery.attempts for delivery in refused), chance=runtime.chance())
    asked_for = max(
        (one.after for one in outcomes if isinstance(one, NotAccepted) and one.after is not None),
        default=timedelta(),
    )
    held = max(ours, asked_for)
    async with writing(runtime.engine) as connection:
        await provider_rate.hold(connection, gateway.name, pause=held)
    _log.warning("a provider takes nothing", gateway=gateway.name, seconds=held.total_seconds())
