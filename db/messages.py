"""Messages as records: a page of the log, its drop-downs, one message and what it says.

What finds them is in `db.search`, the figures in `db.tallies`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.keys import any_of
from db.paging import Order, Slice, Term
from db.search import Search
from db.sight import Sight, visible
from db.tables import CANCELLATION, CONTENT, MESSAGE
from domain.message import BodyFormat, Criterion
from domain.paging import Page
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


_COLUMNS: Final = tuple(
    MESSAGE.c["modes" if field == "delivery_modes" else field] for field in MessageRecord._fields
)


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


_SORTED_BY: Final[Mapping[OrderField, Any]] = {
    OrderField.STATUS: MESSAGE.c.status_rank,
    OrderField.TYPE: MESSAGE.c.type_key,
    OrderField.SCHOOL: MESSAGE.c.school_key,
    OrderField.SUBJECT: MESSAGE.c.subject_key,
    OrderField.SENDER: MESSAGE.c.sender_key,
    OrderField.CREATED_AT: MESSAGE.c.created_at,
    OrderField.SCHEDULED_AT: MESSAGE.c.scheduled_at,
    OrderField.SCHEDULE_ID: MESSAGE.c.schedule_key,
}
_MAY_BE_ABSENT: Final = frozenset({OrderField.SCHOOL, OrderField.SCHEDULE_ID})


def order(fields: Sequence[tuple[OrderField, bool]], *, scope: str) -> Order:
    """The order by `fields`, each with whether it descends; ties end by id, in the direction of the last field."""
    terms = [
        Term(field, _SORTED_BY[field], descending, field in _MAY_BE_ABSENT)
        for field, descending in fields
    ]
    ties = Term("ID", MESSAGE.c.id, terms[-1].descending if terms else False)
    return Order([*terms, ties], scope=scope)


async def page_of(
    connection: AsyncConnection, search: Search, *, order: Order, page: Page
) -> Slice[MessageRecord]:
    """The page of what `search` finds."""
    statement = order.apply(select(*_COLUMNS).where(search.where()), page)
    return order.cut((await connection.execute(statement)).all(), page, MessageRecord)


async def count(connection: AsyncConnection, search: Search) -> int:
    """How many messages `search` finds."""
    return (
        await connection.scalar(select(func.count()).select_from(MESSAGE).where(search.where()))
        or 0
    )


async def count_by_status(connection: AsyncConnection, search: Search) -> Sequence[StatusCount]:
    """How many messages `search` finds at each status, whatever statuses it asks for, in their order."""
    statement = (
        select(MESSAGE.c.status, func.count())
        .where(search.where(leaving_out="status"))
        .group_by(MESSAGE.c.status, MESSAGE.c.status_rank)
        .order_by(MESSAGE.c.status_rank)
    )
    return [StatusCount(*row) for row in await connection.execute(statement)]


async def count_by_type(connection: AsyncConnection, search: Search) -> Sequence[TypeCount]:
    """How many messages `search` finds of each type, whatever types it asks for, by label."""
    statement = (
        select(MESSAGE.c.type_code, func.max(MESSAGE.c.type_label), func.count())
        .where(search.where(leaving_out="type"))
        .group_by(MESSAGE.c.type_code)
        .order_by(func.max(MESSAGE.c.type_key), MESSAGE.c.type_code)
    )
    return [
        TypeCount(TypeRecord(code, label), count)
        for code, label, count in await connection.execute(statement)
    ]


async def count_by_school(connection: AsyncConnection, search: Search) -> Sequence[SchoolCount]:
    """How many messages `search` finds of each school, whatever schools it asks for, by name; the district's own last."""
    statement = (
        select(MESSAGE.c.school_id, func.count())
        .where(search.where(leaving_out="school"))
        .group_by(MESSAGE.c.school_id)
        .order_by(
            MESSAGE.c.school_id.is_(None), func.max(MESSAGE.c.school_key), MESSAGE.c.school_id
        )
    )
    return [SchoolCount(*row) for row in await connection.execute(statement)]


async def messages(
    connection: AsyncConnection, ids: Sequence[int], *, sight: Sight
) -> Mapping[int, MessageRecord]:
    """The messages with these ids, as far as they may be seen."""
    rows = await connection.execute(
        select(*_COLUMNS).where(any_of(MESSAGE.c.id, ids), visible(sight))
    )
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
    newest = (
        select(MESSAGE.c.type_label)
        .where(visible(sight), MESSAGE.c.type_code == steps.c.code)
        .order_by(MESSAGE.c.created_at.desc(), MESSAGE.c.id.desc())
        .limit(1)
        .correlate(steps)
        .scalar_subquery()
    )
    rows = await connection.execute(
        select(steps.c.code, newest.label("label")).where(steps.c.code.is_not(None))
    )
    return sorted(
        (TypeRecord(*row) for row in rows), key=lambda row: (row.label.casefold(), row.code)
    )
