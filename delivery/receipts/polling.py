"""Poll providers about deliveries with an incomplete receipt, such as Twilio's `completed` without who answered.

`delivery.receipts.refresh` polls on a viewer's request.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final

import structlog

from db.dispatch import changes, in_flight
from db.dispatch.changes import Change
from db.dispatch.in_flight import LiveDelivery
from db.dispatch.receipts import polls
from db.log.deliveries import DeliveryKey
from delivery.dispatch.runtime import Runtime
from delivery.dispatch.transitions import POLL_AFTER
from delivery.receipts.refresh import RefreshProgress, poll_providers
from domain.ids import Kind, spell
from domain.status import DeliveryStatus, EventSource

MOST: Final = 100
"""Most deliveries of one round."""

LONGEST_ANSWER: Final = 20.0
"""Timeout in seconds. Deliveries without an answer by then are polled again later."""

_log = structlog.get_logger(__name__)


async def poll_due(runtime: Runtime) -> int:
    """Poll every delivery whose poll is due. Return how many."""
    async with runtime.database.reading() as connection:
        due = await polls.due(connection, now=runtime.clock(), most=MOST)
    polled = 0
    for message_id, keys in groupby(due, key=attrgetter("message_id")):
        polled += await _poll(runtime, message_id, list(keys))
    return polled


async def _poll(runtime: Runtime, message_id: int, keys: Sequence[DeliveryKey]) -> int:
    due = await _schedule_next(runtime, message_id, keys, now=runtime.clock())
    if not due:
        return 0
    async with runtime.database.reading() as connection:
        terms = await in_flight.terms(connection, message_id)
    assert terms is not None
    try:
        async with asyncio.timeout(LONGEST_ANSWER):
            await poll_providers(runtime, terms, due, RefreshProgress())
    except TimeoutError:
        _log.warning(
            "the provider did not answer a poll in time",
            message_id=spell(Kind.MESSAGE, message_id),
            deliveries=len(due),
        )
    return len(due)


async def _schedule_next(
    runtime: Runtime, message_id: int, keys: Sequence[DeliveryKey], *, now: datetime
) -> Sequence[LiveDelivery]:
    """Schedule the next poll of those deliveries that are still due, and return them.

    So no other process polls them at the same time. The pause doubles. After the provider's time limit no poll is scheduled:
    the message is an ERROR then, and only a refresh asks.
    """
    async with runtime.database.writing() as connection:
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
    next_poll = now + max(POLL_AFTER, now - handed_at)
    return next_poll if next_poll <= handed_at + limit else None
