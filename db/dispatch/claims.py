"""The deliveries that may be claimed, and those whose lease has ended.

A claim is a token and a lease on the row. `db.dispatch.changes` writes it, under the message's lock.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, func, or_, select

from db.dispatch.in_flight import COLUMNS, LiveDelivery
from db.log.deliveries import DeliveryKey
from db.sql.clock import clock
from db.sql.connections import ReadConnection
from db.sql.key_lists import pairs_of
from db.tables.conditions import CLAIMED, OPEN_DELIVERY
from db.tables.log import DELIVERY
from domain.status import DeliveryMode, DeliveryStatus

_IN_ORDER: Final = (DELIVERY.c.recipient_number, DELIVERY.c.number)


def may_be_claimed(modes: Collection[DeliveryMode], *, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a delivery may be handed over at `now`; duplicates never are."""
    due = or_(DELIVERY.c.due_at.is_(None), DELIVERY.c.due_at <= now)
    return and_(
        OPEN_DELIVERY,  # the condition of the index
        DELIVERY.c.status == DeliveryStatus.PENDING,
        ~DELIVERY.c.is_duplicate,
        DELIVERY.c.mode.in_(sorted(modes)),
        due,
    )


async def due(
    connection: ReadConnection,
    message_id: int,
    chunk: int,
    *,
    modes: Collection[DeliveryMode],
    now: datetime,
    most: int,
) -> Sequence[LiveDelivery]:
    """Return the deliveries of a chunk that may be claimed now, in the order of the list. The caller holds the lock."""
    statement = (
        select(*COLUMNS)
        .where(
            DELIVERY.c.message_id == message_id,
            DELIVERY.c.chunk == chunk,
            may_be_claimed(modes, now=now),
        )
        .order_by(*_IN_ORDER)
        .limit(most)
    )
    return [LiveDelivery(*row) for row in await connection.execute(statement)]


async def count_due(
    connection: ReadConnection,
    message_id: int,
    chunk: int,
    *,
    modes: Collection[DeliveryMode],
    now: datetime,
) -> int:
    """Return how many deliveries of a chunk may be claimed now, read without the lock."""
    statement = (
        select(func.count())
        .select_from(DELIVERY)
        .where(
            DELIVERY.c.message_id == message_id,
            DELIVERY.c.chunk == chunk,
            may_be_claimed(modes, now=now),
        )
    )
    return await connection.scalar(statement) or 0


async def still_claimed(
    connection: ReadConnection, keys: Sequence[DeliveryKey], *, token: str
) -> set[DeliveryKey]:
    """Return those of these deliveries that `token` still claims. They are unchanged, because no other process writes them."""
    pairs = sorted({key[:2] for key in keys})
    statement = select(DELIVERY.c.message_id, *_IN_ORDER).where(
        pairs_of(DELIVERY.c.message_id, DELIVERY.c.recipient_number, pairs),
        DELIVERY.c.claim == token,
    )
    return set(keys).intersection(DeliveryKey(*row) for row in await connection.execute(statement))


async def messages_with_lapsed(connection: ReadConnection, *, most: int) -> Sequence[int]:
    """Return the messages of the `most` claims whose lease ended first."""
    statement = (
        select(DELIVERY.c.message_id)
        .where(CLAIMED, DELIVERY.c.lease_until <= clock(connection))
        .order_by(DELIVERY.c.lease_until)
        .limit(most)
    )
    return sorted(set(await connection.scalars(statement)))


async def lapsed(
    connection: ReadConnection, message_id: int, *, most: int
) -> Sequence[LiveDelivery]:
    """Return claimed deliveries of a message whose lease has ended, the oldest lease first. The caller holds the lock."""
    statement = (
        select(*COLUMNS)
        .where(
            CLAIMED,
            DELIVERY.c.lease_until <= clock(connection),
            DELIVERY.c.message_id == message_id,
        )
        .order_by(DELIVERY.c.lease_until, *_IN_ORDER)
        .limit(most)
    )
    return [LiveDelivery(*row) for row in await connection.execute(statement)]
