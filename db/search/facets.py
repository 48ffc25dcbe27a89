"""Counts of the messages that a search finds, in total and per value of the log's drop-downs; and the message types."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Column, ColumnElement, func, select

from db.log.messages import select_by
from db.log.visibility import Visibility, visible
from db.search.search import Search
from db.sql.connections import ReadConnection
from db.tables.log import MESSAGE
from domain.search import fold
from domain.status import MessageStatus


class TypeRecord(NamedTuple):
    """A type of message."""

    code: str
    label: str


@dataclass(frozen=True, slots=True)
class TypeCount:
    """The number of messages of a type."""

    type: TypeRecord
    count: int


@dataclass(frozen=True, slots=True)
class StatusCount:
    """The number of messages with a status."""

    status: MessageStatus
    count: int


@dataclass(frozen=True, slots=True)
class SenderCount:
    """The number of messages of a sender; the name is that in the newest visible message."""

    sender_id: str
    sender_name: str
    count: int


@dataclass(frozen=True, slots=True)
class SchoolCount:
    """The number of messages of a school; `school_id` is None for those of the district itself."""

    school_id: int | None
    count: int


async def count(connection: ReadConnection, search: Search) -> int:
    """Return how many messages `search` finds."""
    hint = await search.indexes.to_count(connection)
    counted = select_by(hint, func.count()).where(search.where())
    return (await connection.scalar(counted, search.values)) or 0


async def count_by_status(connection: ReadConnection, search: Search) -> Sequence[StatusCount]:
    """Return how many messages `search` without its statuses finds per status, in the order of statuses."""
    hint = await search.indexes.to_count(connection, leaving_out="status")
    statement = (
        select_by(hint, MESSAGE.c.status, func.count())
        .where(search.where(leaving_out="status"))
        .group_by(MESSAGE.c.status, MESSAGE.c.status_rank)
        .order_by(MESSAGE.c.status_rank)
    )
    return [StatusCount(*row) for row in await connection.execute(statement, search.values)]


async def count_by_type(connection: ReadConnection, search: Search) -> Sequence[TypeCount]:
    """Return how many messages `search` without its types finds per type, by label; labels as in `types`."""
    hint = await search.indexes.to_count(connection, leaving_out="type")
    counted = (
        select_by(hint, MESSAGE.c.type_code, func.count().label("count"))
        .where(search.where(leaving_out="type"))
        .group_by(MESSAGE.c.type_code)
        .subquery("counted")
    )
    statement = select(
        counted.c.type_code,
        _newest_label(counted.c.type_code, search.visibility),
        counted.c["count"],
    )
    counts = [
        TypeCount(TypeRecord(code, label), count)
        for code, label, count in await connection.execute(statement, search.values)
    ]
    return sorted(counts, key=lambda count: _by_label(count.type))


async def count_by_school(connection: ReadConnection, search: Search) -> Sequence[SchoolCount]:
    """Return how many messages `search` without its schools finds per school, by name; the district's own last."""
    hint = await search.indexes.to_count(connection, leaving_out="school")
    statement = (
        select_by(hint, MESSAGE.c.school_id, func.count())
        .where(search.where(leaving_out="school"))
        .group_by(MESSAGE.c.school_id)
        .order_by(func.max(MESSAGE.c.school_up), MESSAGE.c.school_id)
    )
    return [SchoolCount(*row) for row in await connection.execute(statement, search.values)]


async def count_by_sender(
    connection: ReadConnection, search: Search, *, most: int
) -> Sequence[SenderCount]:
    """Return how many messages `search` finds per sender, for the `most` senders with most messages, then by name.

    The caller leaves the criteria for senders out of the search: on SQLite they may be part of its list of messages.
    """
    hint = await search.indexes.to_count(connection)
    count, key = func.count().label("count"), func.max(MESSAGE.c.sender_key).label("key")
    counted = (
        select_by(hint, MESSAGE.c.sender_id, count, key)
        .where(search.where())
        .group_by(MESSAGE.c.sender_id)
        .order_by(count.desc(), key, MESSAGE.c.sender_id)
        .limit(most)
        .subquery("counted")
    )
    columns = counted.c
    newest = _newest(
        MESSAGE.c.sender_name, search.visibility, MESSAGE.c.sender_id == columns.sender_id
    )
    statement = select(columns.sender_id, newest, columns["count"]).order_by(
        columns["count"].desc(), columns.key, columns.sender_id
    )
    return [SenderCount(*row) for row in await connection.execute(statement, search.values)]


async def types(connection: ReadConnection, *, visibility: Visibility) -> Sequence[TypeRecord]:
    """Return the types of the visible messages, by label; the label is that of the newest message of a type.

    One index look-up per type instead of a scan, because there are few types and many messages.
    """
    first = (
        select(func.min(MESSAGE.c.type_code).label("code"))
        .where(visible(visibility))
        .cte("steps", recursive=True)
    )
    next_code = (
        select(func.min(MESSAGE.c.type_code))
        .where(visible(visibility), MESSAGE.c.type_code > first.c.code)
        .correlate(first)
        .scalar_subquery()
    )
    steps = first.union_all(select(next_code).where(first.c.code.is_not(None)))
    statement = select(steps.c.code, _newest_label(steps.c.code, visibility))
    rows = await connection.execute(statement.where(steps.c.code.is_not(None)))
    return sorted((TypeRecord(*row) for row in rows), key=_by_label)


def _newest_label(code: ColumnElement[str], visibility: Visibility) -> ColumnElement[str]:
    """Return an expression for the label of a type in its newest visible message."""
    return _newest(MESSAGE.c.type_label, visibility, MESSAGE.c.type_code == code)


def _newest(
    column: Column[str], visibility: Visibility, condition: ColumnElement[bool]
) -> ColumnElement[str]:
    """Return an expression for `column` of the newest visible message that satisfies `condition`."""
    return (
        select(column)
        .where(visible(visibility), condition)
        .order_by(MESSAGE.c.created_at.desc(), MESSAGE.c.id.desc())
        .limit(1)
        .correlate_except(MESSAGE)
        .scalar_subquery()
    )


def _by_label(kind: TypeRecord) -> tuple[str, str]:
    return fold(kind.label), kind.code
