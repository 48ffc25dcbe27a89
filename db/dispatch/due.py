"""Due work, found from the rows alone: messages to begin, to mark, to stop, and chunks to hand over.

Read without locks; a caller checks again under the message's lock before it acts.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, select

from db.connect.single_statement import Source, rows_of
from db.dispatch.claims import may_be_claimed
from db.dispatch.in_flight import COLUMNS, TERMS, DeliveryTerms, LiveDelivery, terms_of
from db.sql.column_types import Instant
from db.sql.connections import ReadConnection
from db.sql.key_lists import any_of_parameter
from db.tables.conditions import OPEN_DELIVERY, TO_BEGIN, UNDER_WAY
from db.tables.log import CANCELLATION, DELIVERY, DISTRICT, MESSAGE, TALLY
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from domain.waits import Retries


class WaitingMessage(NamedTuple):
    """A message in progress, and its modes with deliveries that have not been handed over."""

    message_id: int
    terms: DeliveryTerms
    modes: frozenset[DeliveryMode]


async def to_begin(connection: ReadConnection, *, now: datetime, most: int) -> Sequence[int]:
    """Return the waiting messages that are due, the longest due first."""
    statement = (
        select(MESSAGE.c.id)
        .where(TO_BEGIN, MESSAGE.c.scheduled_at <= now)
        .order_by(MESSAGE.c.scheduled_at, MESSAGE.c.id)
        .limit(most)
    )
    return list(await connection.scalars(statement))


async def newly_overdue(connection: ReadConnection, *, now: datetime) -> Sequence[int]:
    """Return the messages past their providers' deadline that are not marked as such."""
    statement = (
        select(MESSAGE.c.id)
        .where(
            UNDER_WAY,
            MESSAGE.c.status == MessageStatus.IN_PROGRESS,
            MESSAGE.c.overdue_at <= now,
        )
        .order_by(MESSAGE.c.id)
    )
    return list(await connection.scalars(statement))


async def being_stopped(connection: ReadConnection) -> Sequence[int]:
    """Return the canceled messages with deliveries that are not marked yet or still in flight."""
    statement = (
        select(CANCELLATION.c.message_id)
        .where(CANCELLATION.c.completed_at.is_(None))
        .order_by(CANCELLATION.c.message_id)
    )
    return list(await connection.scalars(statement))


async def waiting(connection: ReadConnection) -> Sequence[WaitingMessage]:
    """Return the messages in progress with deliveries to hand over, now or later, the oldest first."""
    # From an alias, because the condition of the index has no table name.
    running = (
        select(MESSAGE.c.id, MESSAGE.c.district_id)
        .where(UNDER_WAY, MESSAGE.c.status.in_([MessageStatus.IN_PROGRESS, MessageStatus.ERROR]))
        .subquery("running")
    )
    statement = (
        select(running.c.id, TALLY.c.mode, *TERMS)
        .join(DISTRICT, DISTRICT.c.id == running.c.district_id)
        .join(TALLY, TALLY.c.message_id == running.c.id)
        .where(
            TALLY.c.status == DeliveryStatus.PENDING, ~TALLY.c.is_duplicate, TALLY.c.deliveries > 0
        )
        .order_by(running.c.id)
    )
    by_message: dict[int, tuple[DeliveryTerms, set[DeliveryMode]]] = {}
    for message_id, mode, *columns in await connection.execute(statement):
        by_message.setdefault(message_id, (terms_of(*columns), set()))[1].add(mode)
    return [
        WaitingMessage(key, terms, frozenset(modes)) for key, (terms, modes) in by_message.items()
    ]


async def chunks_due(
    connection: ReadConnection, message_id: int, *, modes: Collection[DeliveryMode], now: datetime
) -> Sequence[int]:
    """Return the chunks of a message with deliveries of these modes that may be claimed now."""
    return await _chunks(connection, message_id, may_be_claimed(modes, now=now))


async def pending_chunks(connection: ReadConnection, message_id: int) -> Sequence[int]:
    """Return the chunks of a message with pending deliveries, due or not."""
    return await _chunks(connection, message_id, _is_pending())


async def pending(
    connection: ReadConnection, message_id: int, chunk: int
) -> Sequence[LiveDelivery]:
    """Return every pending delivery of a chunk except duplicates, for a cancel. The caller holds the lock."""
    statement = select(*COLUMNS).where(
        DELIVERY.c.message_id == message_id, DELIVERY.c.chunk == chunk, _is_pending()
    )
    return [LiveDelivery(*row) for row in await connection.execute(statement)]


_RETRIES: Final = (
    select(
        DELIVERY.c.message_id,
        DELIVERY.c.mode,
        func.count(),
        func.min(DELIVERY.c.due_at).label("at"),
    )
    .where(
        any_of_parameter(DELIVERY.c.message_id, "ids"),
        OPEN_DELIVERY,  # the condition of the index
        DELIVERY.c.status == DeliveryStatus.PENDING,
        ~DELIVERY.c.is_duplicate,
        DELIVERY.c.due_at > bindparam("now", type_=Instant()),
    )
    .group_by(DELIVERY.c.message_id, DELIVERY.c.mode)
)


async def retries(
    source: Source, message_ids: Sequence[int], *, now: datetime
) -> Mapping[tuple[int, DeliveryMode], Retries]:
    """Return, by message and mode, the pending deliveries that are due after `now`; a pair without any is left out."""
    rows = await rows_of(source, _RETRIES, {"ids": message_ids, "now": now})
    return {(message_id, mode): Retries(*found) for message_id, mode, *found in rows}


async def _chunks(
    connection: ReadConnection, message_id: int, condition: ColumnElement[bool]
) -> Sequence[int]:
    """Return the chunks with deliveries that satisfy `condition`, with one index look-up per chunk instead of a scan."""
    is_open = and_(DELIVERY.c.message_id == message_id, OPEN_DELIVERY)
    steps = select(func.min(DELIVERY.c.chunk).label("chunk")).where(is_open).cte(recursive=True)
    following = (
        select(func.min(DELIVERY.c.chunk))
        .where(is_open, DELIVERY.c.chunk > steps.c.chunk)
        .correlate(steps)
        .scalar_subquery()
    )
    steps = steps.union_all(select(following).where(steps.c.chunk.is_not(None)))
    holds = exists().where(
        DELIVERY.c.message_id == message_id, DELIVERY.c.chunk == steps.c.chunk, condition
    )
    statement = (
        select(steps.c.chunk).where(steps.c.chunk.is_not(None), holds).order_by(steps.c.chunk)
    )
    return list(await connection.scalars(statement))


def _is_pending() -> ColumnElement[bool]:
    return and_(
        OPEN_DELIVERY, DELIVERY.c.status == DeliveryStatus.PENDING, ~DELIVERY.c.is_duplicate
    )
