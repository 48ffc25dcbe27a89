"""Asks the providers of a message for the outcomes that are still open.

Whether it is time to ask is decided before (`db.receipts.refresh`).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from db.connect.engine import reading, writing
from db.dispatch import in_flight
from db.dispatch.in_flight import LiveDelivery, Terms
from db.log.deliveries import DeliveryKey
from db.receipts.refresh import keep_turn
from delivery.dispatch import delivery_names
from delivery.dispatch.runtime import Runtime
from delivery.gateways.base import Sent
from delivery.gateways.port import Gateway
from delivery.receipts.receipts import take_in
from domain.ids import Kind, spell
from domain.status import EventSource

FIRST_PAGE: Final = 25
"""Deliveries that are asked about first: few, so that the answer to whoever refreshes has some news."""

PAGE: Final = 200
"""The most deliveries that are asked about before the answers are written."""

KEEP_EVERY: Final = 5.0
"""Seconds after which a refresh that runs says so again. A provider may take longer for one page than the pause between
two refreshes, and a second one would begin beside the first."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Progress:
    """How far a refresh has come."""

    changed: int = 0
    """Deliveries of which something new was heard."""


async def refresh(
    runtime: Runtime, message_id: int, progress: Progress, *, taken_at: datetime
) -> None:
    """Ask about every open outcome of a message, and apply each page of answers before the next is asked for.

    `taken_at` is when this refresh took its turn. It ends early where no provider answers, and where another process has
    taken the turn since. What is left stays open, for receipts and for the next refresh.
    """
    asking = asyncio.ensure_future(_ask_all(runtime, message_id, progress))
    keeping = asyncio.ensure_future(_keep_turn(runtime, message_id, taken_at))
    try:
        await asyncio.wait([asking, keeping], return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            asking.result()
        else:
            _log.warning(
                "another process refreshes now", message_id=spell(Kind.MESSAGE, message_id)
            )
            keeping.result()
    finally:
        asking.cancel()
        keeping.cancel()
        await asyncio.gather(asking, keeping, return_exceptions=True)


async def _keep_turn(runtime: Runtime, message_id: int, taken_at: datetime) -> None:
    """Say again and again that the refresh runs; ends when the turn is another's: this process stood still for too long."""
    while True:
        await runtime.sleep(KEEP_EVERY)
        now = runtime.clock()
        try:
            async with writing(runtime.engine) as connection:
                if not await keep_turn(connection, message_id, taken_at=taken_at, now=now):
                    return
            taken_at = now
        except SQLAlchemyError:
            # Asking goes on: at worst another process asks the same.
            _log.exception(
                "the turn of a refresh cannot be kept", message_id=spell(Kind.MESSAGE, message_id)
            )


async def _ask_all(runtime: Runtime, message_id: int, progress: Progress) -> None:
    async with reading(runtime.engine) as connection:
        terms = await in_flight.terms(connection, message_id)
    if terms is None:
        return
    after: DeliveryKey | None = None
    size = FIRST_PAGE
    while True:
        async with reading(runtime.engine) as connection:
            page = await in_flight.open_with_provider(
                connection, message_id, after=after, most=size
            )
        if not page:
            return
        if not await ask_providers(runtime, terms, page, progress):
            _log.warning(
                "no provider answers a refresh", message_id=spell(Kind.MESSAGE, message_id)
            )
            return
        after = page[-1].key
        size = min(2 * size, PAGE)


async def ask_providers(
    runtime: Runtime, terms: Terms, deliveries: Sequence[LiveDelivery], progress: Progress
) -> bool:
    """Ask about deliveries of one message and apply the answers; False where no provider could be asked about any of them."""
    async with reading(runtime.engine) as connection:
        targets = await in_flight.targets(
            connection, {delivery.address_id for delivery in deliveries}
        )
    by_gateway: dict[Gateway, list[Sent]] = {}
    for delivery in deliveries:
        gateway = runtime.gateway_of(terms, delivery.mode)
        # One of another name was set up since: it never had this delivery.
        if gateway is not None and gateway.name == delivery.gateway:
            by_gateway.setdefault(gateway, []).append(
                _sent(delivery, targets[delivery.address_id].key)
            )
    answered = 0
    for gateway, sent in by_gateway.items():
        try:
            polled = await gateway.poll(sent)
        except Exception:
            # A gateway raises nothing. One that does all the same must not keep the others from being asked.
            _log.exception("the gateway failed while it was asked", gateway=gateway.name)
            continue
        answered += len(sent) - len(polled.unanswered)
        progress.changed += await take_in(
            runtime.engine,
            gateway.name,
            polled.receipts,
            source=EventSource.REFRESH,
            now=runtime.clock(),
        )
    return answered > 0


def _sent(delivery: LiveDelivery, address: str) -> Sent:
    assert delivery.reference is not None
    assert delivery.handed_at is not None
    return Sent(
        delivery_names.spell(delivery),
        delivery.reference,
        delivery.mode,
        address,
        delivery.handed_at,
    )
