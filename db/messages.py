"""Messages as records: one message and what it says, and the drop-downs of the log.

A page of the log is in `db.log_page`, what finds messages in `db.search`, the figures in `db.tallies`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.hints import BY_ROWID
from db.keyed import Source, rows_of
from db.keys import any_of_given
from db.rows import Reading
from db.search import Search
from db.sight import Sight, seen, visible, visible_then
from db.tables import CANCELLATION, CONTENT, MESSAGE
from domain.message import BodyFormat, Criterion
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
    category: str | None = None
    """The kind of notice within its type."""


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


READING: Final = Reading(
    MessageRecord,
    {
        field: MESSAGE.c["modes" if field == "delivery_modes" else field]
        for field in MessageRecord._fields
    },
)
KEY: Final = frozenset({"id"})
"""What is read whatever is asked for."""


def select_by(route: str | None, *columns: ColumnElement[Any]) -> Select[Any]:
    """A statement that reads messages by `route`."""
    statement = select(*columns).select_from(MESSAGE)
    return statement if route is None else statement.with_hint(MESSAGE, route, "sqlite")


async def count(connection: AsyncConnection, search: Search) -> int:
    """How many messages `search` finds."""
    route = await search.routes.to_count(connection)
    counted = select_by(route, func.count()).where(search.where())
    return (await connection.scalar(counted, search.values)) or 0


async def count_by_status(connection: AsyncConnection, search: Search) -> Sequence[StatusCount]:
    """How many messages `search` finds at each status, whatever statuses it asks for, in their order."""
    route = await search.routes.to_count(connection, leaving_out="status")
    statement = (
        select_by(route, MESSAGE.c.status, func.count())
        .where(search.where(leaving_out="status"))
        .group_by(MESSAGE.c.status, MESSAGE.c.status_rank)
        .order_by(MESSAGE.c.status_rank)
    )
    return [StatusCount(*row) for row in await connection.execute(statement, search.values)]


async def count_by_type(connection: AsyncConnection, search: Search) -> Sequence[TypeCount]:
    """How many messages `search` finds of each type, whatever types it asks for, by label; labels as in `types`."""
    route = await search.routes.to_count(connection, leaving_out="type")
    counted = (
        select_by(route, MESSAGE.c.type_code, func.count().label("count"))
        .where(search.where(leaving_out="type"))
        .group_by(MESSAGE.c.type_code)
        .subquery("counted")
    )
    statement = select(
        counted.c.type_code, _newest_label(counted.c.type_code, search.sight), counted.c["count"]
    )
    counts = [
        TypeCount(TypeRecord(code, label), count)
        for code, label, count in await connection.execute(statement, search.values)
    ]
    return sorted(counts, key=lambda count: _by_label(count.type))


async def count_by_school(connection: AsyncConnection, search: Search) -> Sequence[SchoolCount]:
    """How many messages `search` finds of each school, whatever schools it asks for, by name; the district's own last."""
    route = await search.routes.to_count(connection, leaving_out="school")
    statement = (
        select_by(route, MESSAGE.c.school_id, func.count())
        .where(search.where(leaving_out="school"))
        .group_by(MESSAGE.c.school_id)
        .order_by(func.max(MESSAGE.c.school_up), MESSAGE.c.school_id)
    )
    return [SchoolCount(*row) for row in await connection.execute(statement, search.values)]


def by_ids(*, limited: bool) -> Select[Any]:
    """The statement that reads whole messages with these `ids`, as far as `visible_then` lets see them."""
    return select_by(BY_ROWID, *READING.columns.values()).where(
        any_of_given(MESSAGE.c.id, "ids"), visible_then(limited=limited)
    )


_BY_IDS: Final = {limited: by_ids(limited=limited) for limited in (False, True)}


async def messages(
    source: Source, ids: Sequence[int], *, sight: Sight
) -> Mapping[int, MessageRecord]:
    """The messages with these ids, as far as they may be seen."""
    statement = _BY_IDS[sight.school_ids is not None]
    rows = await rows_of(source, statement, {"ids": ids, **seen(sight)})
    return {row[0]: MessageRecord(*row) for row in rows}


_CONTENTS: Final = select(
    CONTENT.c.message_id, *(CONTENT.c[field] for field in ContentRecord._fields)
).where(any_of_given(CONTENT.c.message_id, "ids"))
_CANCELLATIONS: Final = select(
    CANCELLATION.c.message_id, *(CANCELLATION.c[field] for field in CancellationRecord._fields)
).where(any_of_given(CANCELLATION.c.message_id, "ids"))


async def contents(source: Source, ids: Sequence[int]) -> Mapping[int, ContentRecord]:
    """What the messages with these ids say."""
    rows = await rows_of(source, _CONTENTS, {"ids": ids})
    return {message_id: ContentRecord(*content) for message_id, *content in rows}


async def cancellations(source: Source, ids: Sequence[int]) -> Mapping[int, CancellationRecord]:
    """The cancellations of those of these messages that were canceled."""
    rows = await rows_of(source, _CANCELLATIONS, {"ids": ids})
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
