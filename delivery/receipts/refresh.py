"""Poll the providers of a message for the outcomes that are still open.

`db.dispatch.receipts.refresh` decides before whether a refresh may run (throttling).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from db.dispatch import in_flight
from db.dispatch.in_flight import DeliveryTerms, LiveDelivery
from db.dispatch.receipts.refresh import keep_turn
from db.log.deliveries import DeliveryKey
from delivery.dispatch import delivery_names
from delivery.dispatch.runtime import Runtime
from delivery.gateways.base import Sent
from delivery.gateways.port import Gateway
from delivery.receipts.receipts import apply_receipts
from domain.ids import Kind, spell
from domain.status import EventSource

FIRST_PAGE: Final = 25
"""Deliveries of the first page: few, so that the viewer's response can contain first results."""

PAGE: Final = 200
"""Most deliveries of one page: its answers are written before the next page is requested."""

KEEP_EVERY: Final = 5.0
"""Seconds between two renewals of a running refresh's turn. A provider may take longer for one page than the pause between
two refreshes, so that a second refresh would start beside the first."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class RefreshProgress:
    """The progress of a refresh."""

    changed: int = 0
    """Deliveries that changed."""


async def refresh(
    runtime: Runtime, message_id: int, progress: RefreshProgress, *, taken_at: datetime
) -> None:
    """Poll every open outcome of a message, page by page. Each page is applied before the next is requested.

    `taken_at` is when this refresh took its turn. It ends early if no provider answers, or if another process took the turn
    since. Remaining outcomes stay open, for receipts and for the next refresh.
    """
    polling = asyncio.ensure_future(_poll_all(runtime, message_id, progress))
    renewal = asyncio.ensure_future(_keep_turn(runtime, message_id, taken_at))
    try:
        await asyncio.wait([polling, renewal], return_when=asyncio.FIRST_COMPLETED)
        if polling.done():
            polling.result()
        else:
            _log.warning(
                "the refresh ends: another process took its turn",
                message_id=spell(Kind.MESSAGE, message_id),
            )
            renewal.result()
    finally:
        polling.cancel()
        renewal.cancel()
        await asyncio.gather(polling, renewal, return_exceptions=True)


async def _keep_turn(runtime: Runtime, message_id: int, taken_at: datetime) -> None:
    """Renew the turn of this refresh until another process has it: then this one was suspended for too long."""
    while True:
        await runtime.sleep(KEEP_EVERY)
        now = runtime.clock()
        try:
            async with runtime.database.writing() as connection:
                if not await keep_turn(connection, message_id, taken_at=taken_at, now=now):
                    return
            taken_at = now
        except SQLAlchemyError:
            # Polling goes on: at worst another process polls the same deliveries.
            _log.exception(
                "the turn of a refresh cannot be renewed",
                message_id=spell(Kind.MESSAGE, message_id),
            )


async def _poll_all(runtime: Runtime, message_id: int, progress: RefreshProgress) -> None:
    async with runtime.database.reading() as connection:
        terms = await in_flight.terms(connection, message_id)
    if terms is None:
        return
    after: DeliveryKey | None = None
    size = FIRST_PAGE
    while True:
        async with runtime.database.reading() as connection:
            page = await in_flight.open_with_provider(
                connection, message_id, after=after, most=size
            )
        if not page:
            return
        if not await poll_providers(runtime, terms, page, progress):
            _log.warning(
                "the refresh ends: no provider answers",
                message_id=spell(Kind.MESSAGE, message_id),
            )
            return
        after = page[-1].key
        size = min(2 * size, PAGE)


async def poll_providers(
    runtime: Runtime,
    terms: DeliveryTerms,
    deliveries: Sequence[LiveDelivery],
    progress: RefreshProgress,
) -> bool:
    """Poll deliveries of one message and apply the answers. Return False if no provider answered for any of them."""
    async with runtime.database.reading() as connection:
        targets = await in_flight.targets(
            connection, {delivery.address_id for delivery in deliveries}
        )
    by_gateway: dict[Gateway, list[Sent]] = {}
    for delivery in deliveries:
        gateway = runtime.gateway_of(terms, delivery.mode)
        # A gateway with another name was configured since; it never had this delivery.
        if gateway is not None and gateway.name == delivery.gateway:
            by_gateway.setdefault(gateway, []).append(
                _sent(delivery, targets[delivery.address_id].key)
            )
    answered = 0
    for gateway, sent in by_gateway.items():
        try:
            polled = await gateway.poll(sent)
        except Exception:
            # A gateway should raise nothing. One that does must not keep the others from being polled.
            _log.exception("the gateway failed to poll", gateway=gateway.name)
            continue
        answered += len(sent) - len(polled.unanswered)
        progress.changed += await apply_receipts(
            runtime.database,
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
