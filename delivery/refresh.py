"""Asks the providers of a message for the outcomes that are still open.

Whether it is time to ask is decided before (`db.refresh`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from db import live
from db.deliveries import DeliveryKey
from db.engine import reading, writing
from db.live import LiveDelivery, Terms
from db.refresh import keep_turn
from delivery import keys
from delivery.bench import Bench
from delivery.gateways.base import Sent
from delivery.gateways.port import Gateway
from delivery.receipts import take_in
from domain.status import EventSource

PAGE: Final = 200
"""Deliveries that are asked about before what was heard is written."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Progress:
    """How far a refresh has come."""

    changed: int = 0
    """Deliveries of which something new was heard."""


async def refresh(bench: Bench, message_id: int, progress: Progress) -> None:
    """Ask about every open outcome of a message, and apply each page of answers before the next is asked for.

    It ends early where nobody answers: a provider that is down is not asked a thousand times. What is left stays open,
    for receipts and for the next refresh.
    """
    async with reading(bench.engine) as connection:
        terms = await live.terms(connection, message_id)
    after: DeliveryKey | None = None
    while terms is not None:
        async with reading(bench.engine) as connection:
            page = await live.open_with_provider(connection, message_id, after=after, most=PAGE)
        if not page:
            return
        if after is not None:
            async with writing(bench.engine) as connection:
                await keep_turn(connection, message_id, now=bench.clock())
        if not await _ask(bench, terms, page, progress):
            _log.warning("no provider answers a refresh", message_id=f"message.{message_id}")
            return
        after = page[-1].key


async def _ask(
    bench: Bench, terms: Terms, page: Sequence[LiveDelivery], progress: Progress
) -> bool:
    """Ask about a page of deliveries; False where nobody could be asked about any of them."""
    by_gateway: dict[Gateway, list[Sent]] = {}
    for delivery in page:
        gateway = bench.gateway_of(terms, delivery.mode)
        # One of another name was set up since: it never had this delivery.
        if gateway is not None and gateway.name == delivery.gateway:
            by_gateway.setdefault(gateway, []).append(_sent(delivery))
    answered = 0
    for gateway, sent in by_gateway.items():
        polled = await gateway.poll(sent)
        answered += len(sent) - len(polled.unanswered)
        progress.changed += await take_in(
            bench.engine,
            gateway.name,
            polled.receipts,
            source=EventSource.REFRESH,
            now=bench.clock(),
        )
    return answered > 0


def _sent(delivery: LiveDelivery) -> Sent:
    assert delivery.reference is not None
    assert delivery.handed_at is not None
    return Sent(
        keys.spell(delivery),
        delivery.reference,
        delivery.mode,
        delivery.address,
        delivery.handed_at,
    )
