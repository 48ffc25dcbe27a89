"""Messages as records: a page of the log, its drop-downs, one message and what it says.

What finds them is in `db.search`, the figures in `db.tallies`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.groups import rows_by_group
from db.hints import BY_ROWID, by_index
from db.keys import any_of
from db.paging import Order, Slice, Term
from db.routes import MANY, Walk
from db.rows import Reading
from db.search import Search
from db.sight import Sight, visible
from db.tables import CANCELLATION, CONTENT, MESSAGE
from domain.message import BodyFormat, Criterion
from domain.paging import Page
from domain.search import fold
from domain.status import DeliveryMode, MessageStatus


class MessageRecord(NamedTuple):
    """A message, without its body."""

    id: int
    external_id: str
    district_id: int
    school_id: int | None
    status: MessageStatus
    type_code: str
    type_label: str
    subject: str
    sender_id: str
    sender_name: str
    created_at: datetime
    scheduled_at: datetime
    schedule_id: str | None
    delivery_modes: Sequence[DeliveryMode]
    is_recorded: bool
    people: int
    people_without_device: int
    people_contacted: int
    revision: int
    purged_at: datetime | None = None
    """From then on recipients and content are being removed, or gone."""


class ContentRecord(NamedTuple):
    """What a message says, and what its recipients were chosen by."""

    body: str
    body_format: BodyFormat
    text_body: str | None
    voice_script: str | None
    reply_to: str | None
    filter_criteria: Sequence[Criterion]


class CancellationRecord(NamedTuple):
    """Who stopped a message, when and why, and what that did."""

    requested_at: datetime
    requested_by_id: str | None
    requested_by_name: str | None
    reason: str | None
    completed_at: datetime | None
    stopped: int
    already_sent: int


class TypeRecord(NamedTuple):
    """A type of message."""

    code: str
    label: str


@dataclass(frozen=True, slots=True)
class TypeCount:
    """How many messages are of a type."""

    type: TypeRecord
    count: int


@dataclass(frozen=True, slots=True)
class StatusCount:
    """How many messages stand at a status."""

    status: MessageStatus
    count: int


@dataclass(frozen=True, slots=True)
class SchoolCount:
    """How many messages a school sent; the district itself where there is no id."""

    school_id: int | None
    count: int


_READING: Final = Reading(
    MessageRecord,
    {
        field: MESSAGE.c["modes" if field == "delivery_modes" else field]
        for field in MessageRecord._fields
    },
)
_KEY: Final = frozenset({"id"})
"""What is read whatever is asked for."""


class OrderField(StrEnum):
    """The columns of the log, each of which sorts it."""

    STATUS = "STATUS"
    TYPE = "TYPE"
    SCHOOL = "SCHOOL"
    SUBJECT = "SUBJECT"
    SENDER = "SENDER"
    CREATED_AT = "CREATED_AT"
    SCHEDULED_AT = "SCHEDULED_AT"
    SCHEDULE_ID = "SCHEDULE_ID"


_SORTED_BY: Final[Mapping[OrderField, Column[Any]]] = {
    OrderField.STATUS: MESSAGE.c.status_rank,
    OrderField.TYPE: MESSAGE.c.type_key,
    OrderField.SCHOOL: MESSAGE.c.school_up,
    OrderField.SUBJECT: MESSAGE.c.subject_key,
    OrderField.SENDER: MESSAGE.c.sender_key,
    OrderField.CREATED_AT: MESSAGE.c.created_at,
    OrderField.SCHEDULED_AT: MESSAGE.c.scheduled_at,
    OrderField.SCHEDULE_ID: MESSAGE.c.schedule_up,
}
_SORTED_DOWN_BY: Final[Mapping[OrderField, Column[Any]]] = {
    **_SORTED_BY,
    OrderField.SCHOOL: MESSAGE.c.school_down,
    OrderField.SCHEDULE_ID: MESSAGE.c.schedule_down,
}
_WALKS: Final[Mapping[ColumnElement[Any], str]] = {
    MESSAGE.c.status_rank: "message_by_status",
    MESSAGE.c.type_key: "message_by_type",
    MESSAGE.c.school_up: "message_by_school",
    MESSAGE.c.school_down: "message_by_school_down",
    MESSAGE.c.subject_key: "message_by_subject",
    MESSAGE.c.sender_key: "message_by_sender",
    MESSAGE.c.created_at: "message_by_created",
    MESSAGE.c.scheduled_at: "message_by_scheduled",
    MESSAGE.c.schedule_up: "message_by_schedule",
    MESSAGE.c.schedule_down: "message_by_schedule_down",
}
"""The index in which the log stands in the order of a column."""

_FINE: Final = frozenset(
    {MESSAGE.c.subject_key, MESSAGE.c.sender_key, MESSAGE.c.created_at, MESSAGE.c.scheduled_at}
)
"""Columns of which few messages share a value: whatever else sorts after them, the log is nearly in order."""

_GROUPED: Final = frozenset(
    {MESSAGE.c.status_rank, MESSAGE.c.type_key, MESSAGE.c.school_up, MESSAGE.c.school_down}
)
"""Columns of few values: what sorts after them is walked within each."""

_COARSE: Final = frozenset({MESSAGE.c.status_rank, MESSAGE.c.type_key})
"""Columns of which very many share a value, and among them the oldest stands first: a walk to later days is long."""


def order(fields: Sequence[tuple[OrderField, bool]], *, scope: str) -> Order:
    """The order by `fields`, each with whether it descends; ties end by id, in the direction of the last field."""
    terms = [
        Term(field, (_SORTED_DOWN_BY if descending else _SORTED_BY)[field], descending)
        for field, descending in fields
    ]
    ties = Term("ID", MESSAGE.c.id, terms[-1].descending if terms else False)
    return Order([*terms, ties], scope=scope)


async def page_of(
    connection: AsyncConnection,
    search: Search,
    *,
    order: Order,
    page: Page,
    fields: frozenset[str] | None = None,
) -> Slice[MessageRecord]:
    """The page of what `search` finds; of each message no more than its id and `fields`, and all where None."""
    reading = _READING.narrowed(fields, always=_KEY)
    columns = [*reading.columns.values(), *order.beside(reading)]
    if order.terms[0].column is not MESSAGE.c.created_at:
        search = await search.told(connection)
    rows = await _rows(connection, search, order, page, columns)
    return order.cut(rows, page, reading)


async def _rows(
    connection: AsyncConnection,
    search: Search,
    order: Order,
    page: Page,
    columns: Sequence[ColumnElement[Any]],
) -> Sequence[Sequence[Any]]:
    """The `columns` of the rows of `page`, and of one more if there is one."""
    first = order.terms[0].column
    if first in _GROUPED and len(order.terms) > 2 and not search.routes.are_rows_known:
        return await _rows_by_group(connection, search, order, page, columns)
    walk = _walk(order)
    route = await search.routes.to_page(connection, walk=walk)
    edge = order.edge(page)
    if edge is not None and first is MESSAGE.c.created_at:
        search = search.beyond(edge[0], falls=edge[1])
    statement = _read(route, *columns).where(search.where())
    if walk is not None and route == by_index(walk.index_name) and first not in _FINE:
        walked = order.numbers(_read(route, MESSAGE.c.id).where(search.where()), page)
        if walked is not None:
            statement = _read(BY_ROWID, *columns).where(MESSAGE.c.id.in_(walked))
    rows: Sequence[Sequence[Any]] = (await connection.execute(order.narrow(statement, page))).all()
    return rows


async def _rows_by_group(
    connection: AsyncConnection,
    search: Search,
    order: Order,
    page: Page,
    columns: Sequence[ColumnElement[Any]],
) -> Sequence[Sequence[Any]]:
    column = order.terms[0].column
    index = by_index(_WALKS[column])

    async def next_value(such: ColumnElement[bool], falls: bool) -> Any:
        value = func.max(column) if falls else func.min(column)
        of_district = MESSAGE.c.district_id == search.sight.district.id
        return await connection.scalar(_read(index, value).where(of_district, such))

    async def read(inner: Order, page: Page, such: ColumnElement[bool]) -> Sequence[Sequence[Any]]:
        if inner is not order:
            return await _rows(connection, search.within(column, such), inner, page, columns)
        others = search.within(column, such)
        route = await others.routes.to_page(connection, walk=None)
        statement = order.narrow(_read(route, *columns).where(others.where()), page)
        rows: Sequence[Sequence[Any]] = (await connection.execute(statement)).all()
        return rows

    return await rows_by_group(order, page, next_value=next_value, read=read)


def _walk(order: Order) -> Walk | None:
    first = order.terms[0].column
    if first not in _WALKS or (len(order.terms) > 2 and first not in _FINE):
        return None
    return Walk(_WALKS[first], beyond=5 * MANY if first in _COARSE else MANY)


def _read(route: str | None, *columns: ColumnElement[Any]) -> Select[Any]:
    """A statement that reads messages by `route`."""
    statement = select(*columns).select_from(MESSAGE)
    return statement if route is None else statement.with_hint(MESSAGE, route, "sqlite")


async def count(connection: AsyncConnection, search: Search) -> int:
    """How many messages `search` finds."""
    route = await search.routes.to_count(connection)
    return (await connection.scalar(_read(route, func.count()).where(search.where()))) or 0


async def count_by_status(connection: AsyncConnection, search: Search) -> Sequence[StatusCount]:
    """How many messages `search` finds at each status, whatever statuses it asks for, in their order."""
    route = await search.routes.to_count(connection, leaving_out="status")
    statement = (
        _read(route, MESSAGE.c.status, func.count())
        .where(search.where(leaving_out="status"))
        .group_by(MESSAGE.c.status, MESSAGE.c.status_rank)
        .order_by(MESSAGE.c.status_rank)
    )
    return [StatusCount(*row) for row in await connection.execute(statement)]


async def count_by_type(connection: AsyncConnection, search: Search) -> Sequence[TypeCount]:
    """How many messages `search` finds of each type, whatever types it asks for, by label; labels as in `types`."""
    route = await search.routes.to_count(connection, leaving_out="type")
    counted = (
        _read(route, MESSAGE.c.type_code, func.count().label("count"))
        .where(search.where(leaving_out="type"))
        .group_by(MESSAGE.c.type_code)
        .subquery("counted")
    )
    statement = select(
        counted.c.type_code, _newest_label(counted.c.type_code, search.sight), counted.c["count"]
    )
    counts = [
        TypeCount(TypeRecord(code, label), count)
        for code, label, count in await connection.execute(statement)
    ]
    return sorted(counts, key=lambda count: _by_label(count.type))


async def count_by_school(connection: AsyncConnection, search: Search) -> Sequence[SchoolCount]:
    """How many messages `search` finds of each school, whatever schools it asks for, by name; the district's own last."""
    route = await search.routes.to_count(connection, leaving_out="school")
    statement = (
        _read(route, MESSAGE.c.school_id, func.count())
        .where(search.where(leaving_out="school"))
        .group_by(MESSAGE.c.school_id)
        .order_by(func.max(MESSAGE.c.school_up), MESSAGE.c.school_id)
    )
    return [SchoolCount(*row) for row in await connection.execute(statement)]


async def messages(
    connection: AsyncConnection, ids: Sequence[int], *, sight: Sight
) -> Mapping[int, MessageRecord]:
    """The messages with these ids, as far as they may be seen."""
    statement = _read(BY_ROWID, *_READING.columns.values()).where(
        any_of(MESSAGE.c.id, ids), visible(sight)
    )
    rows = await connection.execute(statement)
    return {row.id: MessageRecord(*row) for row in rows}


async def contents(connection: AsyncConnection, ids: Sequence[int]) -> Mapping[int, ContentRecord]:
    """What the messages with these ids say."""
    columns = [CONTENT.c[field] for field in ContentRecord._fields]
    rows = await connection.execute(
        select(CONTENT.c.message_id, *columns).where(any_of(CONTENT.c.message_id, ids))
    )
    return {message_id: ContentRecord(*content) for message_id, *content in rows}


async def cancellations(
    connection: AsyncConnection, ids: Sequence[int]
) -> Mapping[int, CancellationRecord]:
    """The cancellations of those of these messages that were canceled."""
    columns = [CANCELLATION.c[field] for field in CancellationRecord._fields]
    rows = await connection.execute(
        select(CANCELLATION.c.message_id, *columns).where(any_of(CANCELLATION.c.message_id, ids))
    )
    return {message_id: CancellationRecord(*cancellation) for message_id, *cancellation in rows}


async def types(connection: AsyncConnection, *, sight: Sight) -> Sequence[TypeRecord]:
    """The types of the messages that may be seen, by label; each label as it came last.

    One step of an index a type, not a pass over all messages: they are few types and many messages.
    """
    first = (
        select(func.min(MESSAGE.c.type_code).label("code"))
        .where(visible(sight))
        .cte("steps", recursive=True)
    )
    next_code = (
        select(func.min(MESSAGE.c.type_code))
        .where(visible(sight), MESSAGE.c.type_code > first.c.code)
        .correlate(first)
        .scalar_subquery()
    )
    steps = first.union_all(select(next_code).where(first.c.code.is_not(None)))
    statement = select(steps.c.code, _newest_label(steps.c.code, sight))
    rows = await connection.execute(statement.where(steps.c.code.is_not(None)))
    return sorted((TypeRecord(*row) for row in rows), key=_by_label)


def _newest_label(code: ColumnElement[str], sight: Sight) -> ColumnElement[str]:
    """The label under which a type came last, among the messages that may be seen."""
    return (
        select(MESSAGE.c.type_label)
        .where(visible(sight), MESSAGE.c.type_code == code)
        .order_by(MESSAGE.c.created_at.desc(), MESSAGE.c.id.desc())
        .limit(1)
        .correlate_except(MESSAGE)
        .scalar_subquery()
    )


def _by_label(kind: TypeRecord) -> tuple[str, str]:
    return fold(kind.label), kind.code
