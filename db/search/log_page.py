"""A page of the log in any order, and by which index it is walked.

What is found is said in `db.search.criteria` and `db.search.search`, what a cursor is in `db.sql.keyset_paging`.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Select, func, literal_column
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.connect.driver_rows import MOST_STATEMENTS, Fetched, fetch, read_already
from db.connect.engine import reading
from db.connect.single_statement import Alone, Keyed
from db.log.messages import KEY, READING, MessageRecord, select_by
from db.log.visibility import Visibility
from db.search.criteria import MINE, WHOLE_LOG, Criteria, Shape, predicates
from db.search.index_choice import MANY, Walk
from db.search.search import Search, at_once, prepare, where
from db.sql.grouped_paging import rows_by_group
from db.sql.index_hints import BY_ROWID, by_index
from db.sql.keyset_paging import Order, Slice, Term, sides
from db.sql.rows import Reading
from db.tables.log import MESSAGE
from domain.paging import Page


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


def order(fields: Sequence[tuple[OrderField, bool]], *, scope: object) -> Order:
    """The order by `fields`, each with whether it descends; ties end by id, in the direction of the last field."""
    terms = [
        Term(field, (_SORTED_DOWN_BY if descending else _SORTED_BY)[field], descending)
        for field, descending in fields
    ]
    ties = Term("ID", MESSAGE.c.id, terms[-1].descending if terms else False)
    return Order([*terms, ties], scope=scope)


async def found(
    engine: AsyncEngine,
    criteria: Criteria,
    *,
    visibility: Visibility,
    order: Order,
    page: Page,
    fields: frozenset[str] | None = None,
) -> tuple[Slice[MessageRecord], Search]:
    """The page of what is found for `criteria` among what `visibility` sees, and the search; `fields` as for `page_of`."""
    search = (
        at_once(criteria, visibility=visibility) if engine.dialect.name == "postgresql" else None
    )
    if search is not None and _is_one_statement(search, order):
        return await _by_one(engine, search, order, page, fields), search
    async with reading(engine) as connection:
        search = await prepare(connection, criteria, visibility=visibility)
        return await page_of(connection, search, order=order, page=page, fields=fields), search


async def page_of(
    connection: AsyncConnection,
    search: Search,
    *,
    order: Order,
    page: Page,
    fields: frozenset[str] | None = None,
) -> Slice[MessageRecord]:
    """The page of what `search` finds; of each message no more than its id and `fields`, and all where None."""
    read, columns = _read(order, fields)
    if order.terms[0].column is not MESSAGE.c.created_at:
        search = await search.told(connection)
    fetched = await _rows(connection, search, order, page, columns)
    return order.cut(fetched.rows, page, read, fetched.readers)


def _read(
    order: Order, fields: frozenset[str] | None
) -> tuple[Reading[MessageRecord], tuple[ColumnElement[Any], ...]]:
    """What is read of each message, and the columns for it and for the order."""
    read = READING.narrowed(fields, always=KEY)
    return read, (*read.columns.values(), *order.beside(read))


def _is_one_statement(search: Search, order: Order) -> bool:
    """Whether PostgreSQL is asked for a page once: not group by group, nor for the viewer's own messages before."""
    is_told = MINE in search.routes.leads and order.terms[0].column is not MESSAGE.c.created_at
    return not is_told and not _is_grouped(search, order)


def _is_grouped(search: Search, order: Order) -> bool:
    is_known = search.routes.are_rows_known
    return order.terms[0].column in _GROUPED and len(order.terms) > 2 and not is_known


async def _by_one(
    engine: AsyncEngine,
    search: Search,
    order: Order,
    page: Page,
    fields: frozenset[str] | None,
) -> Slice[MessageRecord]:
    """The page, by one statement."""
    read, columns = _read(order, fields)
    values = {**_beyond(search, order, page).values, **order.parameters(page)}
    if _is_walked(search, order):
        walk = _kept_walk(order.terms, sides(page), columns)
        fetched = await Keyed(engine).fetch(walk, values)
    else:
        assert search.shape is not None, "a search that is asked at once has its values beside it"
        kept = _kept_page(search.shape, order.terms, sides(page)._replace(size=0), columns, None)
        fetched = await Alone(engine).fetch(kept, values)
    return order.cut(fetched.rows, page, read, fetched.readers)


def _is_walked(search: Search, order: Order) -> bool:
    """Whether the page is read along one index whichever its days are: to plan that for them takes longer than to do it."""
    first = order.terms[0].column
    return search.shape == WHOLE_LOG and first is MESSAGE.c.created_at and len(order.terms) == 2


@lru_cache(MOST_STATEMENTS)
def _kept_walk(
    terms: tuple[Term, ...], page: Page, columns: tuple[ColumnElement[Any], ...]
) -> Select[Any]:
    statement = _page(predicates(WHOLE_LOG).parts, Order(terms, scope=""), page, columns, None)
    # The number of rows is part of the text: planned without it, PostgreSQL takes it for a tenth of the log.
    return statement.limit(literal_column(str(page.size + 1)))


def _beyond(search: Search, order: Order, page: Page) -> Search:
    """The search within those of its days that lie beyond the cursor of `page`, where these are its order."""
    edge = order.edge(page)
    if edge is None or order.terms[0].column is not MESSAGE.c.created_at:
        return search
    return search.beyond(edge[0], falls=edge[1])


async def _rows(
    connection: AsyncConnection,
    search: Search,
    order: Order,
    page: Page,
    columns: tuple[ColumnElement[Any], ...],
) -> Fetched:
    """The `columns` of the rows of `page`, and of one more if there is one."""
    if _is_grouped(search, order):
        return read_already(await _rows_by_group(connection, search, order, page, columns))
    route = await search.routes.to_page(connection, walk=_walk(order.terms))
    search = _beyond(search, order, page)
    values = {**search.values, **order.parameters(page)}
    if search.shape is None:
        statement = _page(search.parts, order, page, columns, route)
        return read_already((await connection.execute(statement, values)).all())
    kept = _kept_page(search.shape, order.terms, sides(page)._replace(size=0), columns, route)
    return await fetch(connection, kept, values)


@lru_cache(MOST_STATEMENTS)
def _kept_page(
    shape: Shape,
    terms: tuple[Term, ...],
    page: Page,
    columns: tuple[ColumnElement[Any], ...],
    route: str | None,
) -> Select[Any]:
    return _page(predicates(shape).parts, Order(terms, scope=""), page, columns, route)


def _page(
    parts: Mapping[str, ColumnElement[bool]],
    order: Order,
    page: Page,
    columns: Sequence[ColumnElement[Any]],
    route: str | None,
) -> Select[Any]:
    """The statement for the rows of `page`; it has no value of it."""
    statement = select_by(route, *columns).where(where(parts))
    walk = _walk(order.terms)
    first = order.terms[0].column
    if walk is not None and route == by_index(walk.index_name) and first not in _FINE:
        walked = order.numbers(select_by(route, MESSAGE.c.id).where(where(parts)), page)
        if walked is not None:
            statement = select_by(BY_ROWID, *columns).where(MESSAGE.c.id.in_(walked))
    return order.narrow(statement, page)


async def _rows_by_group(
    connection: AsyncConnection,
    search: Search,
    order: Order,
    page: Page,
    columns: tuple[ColumnElement[Any], ...],
) -> Sequence[Sequence[Any]]:
    column = order.terms[0].column
    index = by_index(_WALKS[column])

    async def next_value(such: ColumnElement[bool], falls: bool) -> Any:
        value = func.max(column) if falls else func.min(column)
        of_district = MESSAGE.c.district_id == search.visibility.district.id
        return await connection.scalar(select_by(index, value).where(of_district, such))

    async def read(inner: Order, page: Page, such: ColumnElement[bool]) -> Sequence[Sequence[Any]]:
        if inner is not order:
            some = await _rows(connection, search.within(column, such), inner, page, columns)
            return some.rows
        others = search.within(column, such)
        route = await others.routes.to_page(connection, walk=None)
        statement = order.narrow(select_by(route, *columns).where(others.where()), page)
        values = {**others.values, **order.parameters(page)}
        rows: Sequence[Sequence[Any]] = (await connection.execute(statement, values)).all()
        return rows

    return await rows_by_group(order, page, next_value=next_value, read=read)


def _walk(terms: Sequence[Term]) -> Walk | None:
    first = terms[0].column
    if first not in _WALKS or (len(terms) > 2 and first not in _FINE):
        return None
    return Walk(_WALKS[first], beyond=5 * MANY if first in _COARSE else MANY)
