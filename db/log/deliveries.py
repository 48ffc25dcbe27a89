"""Deliveries as records: of recipients and of whole messages, and what happened to them.

What changes them is not here.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect.single_statement import Source, rows_of
from db.log.visibility import Visibility, is_of_visible
from db.sql.key_lists import any_of, pair_parameters, pairs_of, pairs_of_parameters
from db.sql.keyset_paging import Order, Slice, Term, slices
from db.sql.rows import Reading, Rows
from db.tables.log import DELIVERY, DELIVERY_EVENT
from domain.paging import Page
from domain.status import DeliveryMode, DeliveryStatus, EventSource


class DeliveryKey(NamedTuple):
    """What tells a delivery from all others."""

    message_id: int
    recipient_number: int
    number: int


class DeliveryRecord(NamedTuple):
    """One message to one address of one recipient."""

    message_id: int
    recipient_number: int
    number: int
    mode: DeliveryMode
    address: str
    status: DeliveryStatus
    call_status_code: int | None
    is_duplicate: bool
    at: datetime | None
    attempts: int

    @property
    def key(self) -> DeliveryKey:
        return DeliveryKey(*self[:3])


class EventRecord(NamedTuple):
    """Something that happened to a delivery."""

    at: datetime
    status: DeliveryStatus
    call_status_code: int | None
    source: EventSource
    detail: str | None


class Wanted(NamedTuple):
    """Which deliveries of a message: of these modes, at these statuses."""

    modes: tuple[DeliveryMode, ...] | None = None
    statuses: tuple[DeliveryStatus, ...] | None = None


READING: Final = Reading(
    DeliveryRecord,
    {
        field: DELIVERY.c["call_status" if field == "call_status_code" else field]
        for field in DeliveryRecord._fields
    },
)
KEY: Final = frozenset(DeliveryKey._fields)
"""What is read whatever is asked for: it tells a row from all others."""

MOST_CHOICES: Final = 200
"""Statements that are kept, by the fields that they read; operations choose some dozens."""


def in_order_of_list(scope: str) -> Order:
    """The order in which recipients and their devices came."""
    return Order(
        [Term("RECIPIENT", DELIVERY.c.recipient_number), Term("NUMBER", DELIVERY.c.number)],
        scope=scope,
    )


async def of_recipients(
    source: Source,
    keys: Sequence[tuple[int, int]],
    *,
    fields: frozenset[str] | None = None,
) -> Mapping[tuple[int, int], Rows[DeliveryRecord]]:
    """The deliveries of each of these recipients (message, number) that has any, in the order in which they came.

    Of each, here and in `pages_of_messages`, no more is read than its key and `fields`, and all where None.
    """
    reading = READING.narrowed(fields, always=KEY)
    found: dict[tuple[int, int], list[Sequence[Any]]] = defaultdict(list)
    for row in await rows_of(source, _of_recipients(fields), pair_parameters("recipients", keys)):
        found[row[0], row[1]].append(row)
    names = tuple(reading.columns)
    return {key: Rows(DeliveryRecord, names, rows) for key, rows in found.items()}


@lru_cache(MOST_CHOICES)
def _of_recipients(fields: frozenset[str] | None) -> Select[Any]:
    return (
        READING.narrowed(fields, always=KEY)
        .select()
        .where(
            pairs_of_parameters(DELIVERY.c.message_id, DELIVERY.c.recipient_number, "recipients")
        )
        .order_by(DELIVERY.c.number)  # the whole key would make SQLite read the table in its order
    )


async def pages_of_messages(
    connection: AsyncConnection,
    message_ids: Sequence[int],
    *,
    wanted: Wanted,
    order: Order,
    page: Page,
    fields: frozenset[str] | None = None,
) -> Mapping[int, Slice[DeliveryRecord]]:
    """The same page of the deliveries of each of these messages."""
    reading = READING.narrowed(fields, always=KEY)

    def of(message_id: Any) -> Select[Any]:
        return reading.select().where(DELIVERY.c.message_id == message_id, _is_wanted(wanted))

    return await slices(connection, message_ids, of=of, order=order, page=page, reading=reading)


async def counts_of_messages(
    connection: AsyncConnection, message_ids: Sequence[int], *, wanted: Wanted
) -> Mapping[int, int]:
    """How many deliveries of each of these messages are wanted; a message without any is left out."""
    statement = (
        select(DELIVERY.c.message_id, func.count())
        .where(any_of(DELIVERY.c.message_id, message_ids), _is_wanted(wanted))
        .group_by(DELIVERY.c.message_id)
    )
    return dict((await connection.execute(statement)).all())


async def deliveries(
    connection: AsyncConnection, keys: Sequence[DeliveryKey], *, visibility: Visibility
) -> Mapping[DeliveryKey, DeliveryRecord]:
    """The deliveries with these keys, as far as their messages may be seen."""
    pairs = sorted({(key.message_id, key.recipient_number) for key in keys})
    statement = READING.select().where(
        pairs_of(DELIVERY.c.message_id, DELIVERY.c.recipient_number, pairs),
        is_of_visible(DELIVERY.c.message_id, visibility),
    )
    records = [DeliveryRecord(*row) for row in await connection.execute(statement)]
    asked = set(keys)
    return {record.key: record for record in records if record.key in asked}


_EVENTS: Final = (
    select(
        DELIVERY_EVENT.c.message_id,
        DELIVERY_EVENT.c.recipient_number,
        DELIVERY_EVENT.c.delivery_number,
        DELIVERY_EVENT.c.at,
        DELIVERY_EVENT.c.status,
        DELIVERY_EVENT.c.call_status,
        DELIVERY_EVENT.c.source,
        DELIVERY_EVENT.c.detail,
    )
    .where(
        pairs_of_parameters(
            DELIVERY_EVENT.c.message_id, DELIVERY_EVENT.c.recipient_number, "recipients"
        )
    )
    .order_by(DELIVERY_EVENT.c.at, DELIVERY_EVENT.c.id)
)


async def events(
    source: Source, keys: Sequence[DeliveryKey]
) -> Mapping[DeliveryKey, Sequence[EventRecord]]:
    """What is written of each of these deliveries of which anything is, oldest first."""
    pairs = sorted({(key.message_id, key.recipient_number) for key in keys})
    asked = set(keys)
    found: dict[DeliveryKey, list[EventRecord]] = {}
    for row in await rows_of(source, _EVENTS, pair_parameters("recipients", pairs)):
        key = DeliveryKey(*row[:3])
        if key in asked:
            found.setdefault(key, []).append(EventRecord(*row[3:]))
    return found


def _is_wanted(wanted: Wanted) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = []
    if wanted.modes is not None:
        parts.append(DELIVERY.c.mode.in_(wanted.modes))
    if wanted.statuses is not None:
        parts.append(DELIVERY.c.status.in_(wanted.statuses))
    return and_(true(), *parts)
