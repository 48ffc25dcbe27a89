"""Deliveries as records, of recipients and of whole messages, and their events.

`db.dispatch.changes` writes them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, select, true

from db.connect.single_statement import Source, rows_of
from db.log.visibility import Visibility, is_of_visible
from db.sql.connections import ReadConnection
from db.sql.cursors import Term
from db.sql.key_lists import counts, pair_parameters, pairs_of, pairs_of_parameters
from db.sql.keyset_paging import Order, Slice, slices
from db.sql.rows import RecordColumns, Rows
from db.tables.log import DELIVERY, DELIVERY_EVENT
from domain.paging import Page
from domain.status import DeliveryMode, DeliveryStatus, EventSource


class DeliveryKey(NamedTuple):
    """The primary key of a delivery."""

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
    gateway: str | None
    failure_code: str | None

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


class DeliveryFilter(NamedTuple):
    """A filter for the deliveries of a message, by mode and status; None: all."""

    modes: tuple[DeliveryMode, ...] | None = None
    statuses: tuple[DeliveryStatus, ...] | None = None


_COLUMNS: Final = {"call_status_code": "call_status", "failure_code": "failure"}
READING: Final = RecordColumns(
    DeliveryRecord,
    {field: DELIVERY.c[_COLUMNS.get(field, field)] for field in DeliveryRecord._fields},
)
KEY: Final = frozenset(DeliveryKey._fields)
"""The fields that are always read: the primary key."""

MOST_CHOICES: Final = 200
"""Size of the cache of statements by the fields that they read; operations select some dozens of field sets."""


def in_order_of_list(scope: str) -> Order:
    """Return the order of ingest: by recipient, then by the recipient's deliveries."""
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
    """Return the deliveries of each of these recipients (message, number) that has any, in the order of ingest.

    Reads only the key and `fields` of each; all fields if None. So does `pages_of_messages`.
    """
    reading = READING.narrowed(fields, always=KEY)
    by_recipient: dict[tuple[int, int], list[Sequence[Any]]] = defaultdict(list)
    for row in await rows_of(source, _of_recipients(fields), pair_parameters("recipients", keys)):
        by_recipient[row[0], row[1]].append(row)
    names = tuple(reading.columns)
    return {key: Rows(DeliveryRecord, names, rows) for key, rows in by_recipient.items()}


@lru_cache(MOST_CHOICES)
def _of_recipients(fields: frozenset[str] | None) -> Select[Any]:
    return (
        READING.narrowed(fields, always=KEY)
        .select()
        .where(
            pairs_of_parameters(DELIVERY.c.message_id, DELIVERY.c.recipient_number, "recipients")
        )
        .order_by(DELIVERY.c.number)  # with the whole key, SQLite would scan the table in key order
    )


async def pages_of_messages(
    connection: ReadConnection,
    message_ids: Sequence[int],
    *,
    wanted: DeliveryFilter,
    order: Order,
    page: Page,
    fields: frozenset[str] | None = None,
) -> Mapping[int, Slice[DeliveryRecord]]:
    """Return the same page of the deliveries of each of these messages."""
    reading = READING.narrowed(fields, always=KEY)

    def of(message_id: Any) -> Select[Any]:
        return reading.select().where(DELIVERY.c.message_id == message_id, _matches(wanted))

    return await slices(connection, message_ids, of=of, order=order, page=page, reading=reading)


async def counts_of_messages(
    connection: ReadConnection, message_ids: Sequence[int], *, wanted: DeliveryFilter
) -> Mapping[int, int]:
    """Return how many deliveries of each of these messages pass the filter; a message without any is left out."""
    return await counts(connection, DELIVERY.c.message_id, message_ids, _matches(wanted))


async def deliveries(
    connection: ReadConnection, keys: Sequence[DeliveryKey], *, visibility: Visibility
) -> Mapping[DeliveryKey, DeliveryRecord]:
    """Return the deliveries with these keys whose messages are visible."""
    pairs = sorted({(key.message_id, key.recipient_number) for key in keys})
    statement = READING.select().where(
        pairs_of(DELIVERY.c.message_id, DELIVERY.c.recipient_number, pairs),
        is_of_visible(DELIVERY.c.message_id, visibility),
    )
    records = [DeliveryRecord(*row) for row in await connection.execute(statement)]
    requested = set(keys)
    return {record.key: record for record in records if record.key in requested}


EVENT: Final = (
    "message_id",
    "recipient_number",
    "delivery_number",
    "at",
    "status",
    "call_status",
    "source",
    "detail",
)


_EVENTS: Final = (
    select(*DELIVERY_EVENT.c[EVENT])
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
    """Return the events of each of these deliveries that has any, oldest first."""
    pairs = sorted({(key.message_id, key.recipient_number) for key in keys})
    requested = set(keys)
    by_delivery: dict[DeliveryKey, list[EventRecord]] = {}
    for row in await rows_of(source, _EVENTS, pair_parameters("recipients", pairs)):
        key = DeliveryKey(*row[:3])
        if key in requested:
            by_delivery.setdefault(key, []).append(EventRecord(*row[3:]))
    return by_delivery


def _matches(wanted: DeliveryFilter) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = []
    if wanted.modes is not None:
        parts.append(DELIVERY.c.mode.in_(wanted.modes))
    if wanted.statuses is not None:
        parts.append(DELIVERY.c.status.in_(wanted.statuses))
    return and_(true(), *parts)
