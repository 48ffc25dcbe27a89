"""How many messages a search finds, in all and by what the drop-downs of the log offer; and the types that there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.log.messages import select_by
from db.log.visibility import Visibility, visible
from db.search.search import Search
from db.tables.log import MESSAGE
from domain.search import fold
from domain.status import MessageStatus


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
        counted.c.type_code,
        _newest_label(counted.c.type_code, search.visibility),
        counted.c["count"],
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


async def types(connection: AsyncConnection, *, visibility: Visibility) -> Sequence[TypeRecord]:
    """The types of the messages that may be seen, by label; each label as it came last.

    One step of an index a type, not a pass over all messages: they are few types and many messages.
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
    """The label under which a type came last, among the messages that may be seen."""
    return (
        select(MESSAGE.c.type_label)
        .where(visible(visibility), MESSAGE.c.type_code == code)
        .order_by(MESSAGE.c.created_at.desc(), MESSAGE.c.id.desc())
        .limit(1)
        .correlate_except(MESSAGE)
        .scalar_subquery()
    )


def _by_label(kind: TypeRecord) -> tuple[str, str]:
    return fold(kind.label), kind.code
