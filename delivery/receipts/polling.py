"""Asks the providers by itself about deliveries of which they reported too little: Twilio's `completed` without who answered.

What a person asks for is in `delivery.receipts.refresh`.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final

import structlog

from db.connect.engine import reading, writing
from db.dispatch import changes, in_flight
from db.dispatch.changes import Change
from db.dispatch.in_flight import LiveDelivery
from db.log.deliveries import DeliveryKey
from db.receipts import polls
from delivery.dispatch.runtime import Runtime
from delivery.dispatch.transitions import POLL_AFTER
from delivery.receipts.refresh import Progress, ask_providers
from domain.ids import Kind, spell
from domain.status import DeliveryStatus, EventSource

MOST: Final = 100
"""Deliveries that are asked about together."""

LONGEST_ANSWER: Final = 20.0
"""Seconds: what a slow provider has not answered by then is asked for again later."""

_log = structlog.get_logger(__name__)


async def poll_due(runtime: Runtime) -> int:
    """Ask about every delivery that is due, and how many those were."""
    async with reading(runtime.engine) as connection:
        due = await polls.due(connection, now=runtime.clock(), most=MOST)
    polled = 0
    for message_id, keys in groupby(due, key=attrgetter("message_id")):
        polled += await _poll(runtime, message_id, list(keys))
    return polled


async def _poll(runtime: Runtime, message_id: int, keys: Sequence[DeliveryKey]) -> int:
    due = await _plan_next(runtime, message_id, keys, now=runtime.clock())
    if not due:
        return 0
    async with reading(runtime.engine) as connection:
        terms = await in_flight.terms(connection, message_id)
    assert terms is not None
    try:
        async with asyncio.timeout(LONGEST_ANSWER):
            await ask_providers(runtime, terms, due, Progress())
    except TimeoutError:
        _log.warning(
            "a provider did not answer a poll in time",
            message_id=spell(Kind.MESSAGE, message_id),
            deliveries=len(due),
        )
    return len(due)


async def _plan_next(
    runtime: Runtime, message_id: int, keys: Sequence[DeliveryKey], *, now: datetime
) -> Sequence[LiveDelivery]:
    """Those of these deliveries that are still due, each planned for its next poll: so no other process asks meanwhile.

    The pause doubles. After the provider's time limit nobody asks by itself any more: the message is an ERROR then, and a
    refresh still asks.
    """
    async with writing(runtime.engine) as connection:
        message = await in_flight.lock(connection, message_id)
        if message is None:
            return []
        due = [one for one in await in_flight.by_key(connection, keys) if _is_due(one, now=now)]
        moves = [
            Change(
                delivery,
                delivery._replace(due_at=_next_poll(delivery, runtime.provider_limit, now=now)),
                EventSource.TIMEOUT,
                None,
            )
            for delivery in due
        ]
        await changes.write(connection, message, moves, now=now)
    return [delivery for delivery in due if delivery.reference is not None]


def _is_due(delivery: LiveDelivery, *, now: datetime) -> bool:
    return (
        delivery.status is DeliveryStatus.IN_PROGRESS
        and delivery.due_at is not None
        and delivery.due_at <= now
    )


def _next_poll(delivery: LiveDelivery, limit: timedelta, *, now: datetime) -> datetime | None:
    handed_at = delivery.handed_at or now
    following = now + max(POLL_AFTER, now - handed_at)
    return following if following <= handed_at + limit else None
