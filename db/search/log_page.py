"""A page of the log in any order, and the index that is scanned for it.

`db.search.search` finds the messages; `db.sql.keyset_paging` has the cursors.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Select, func, literal_column

from db.connect.database import Database
from db.connect.driver_rows import MOST_STATEMENTS, Fetched, fetch, read_already
from db.log.messages import KEY, READING, MessageRecord, select_by
from db.log.visibility import Visibility
from db.search.criteria import MINE, WHOLE_LOG, Criteria, Shape, predicates
from db.search.index_choice import MANY, Walk
from db.search.search import Search, prepare, where, without_look_up
from db.sql.connections import ReadConnection
from db.sql.grouped_paging import rows_by_group
from db.sql.index_hints import BY_ROWID, by_index
from db.sql.keyset_paging import Order, Slice, Term, sides
from db.sql.rows import RecordColumns
from db.tables.log import MESSAGE
from domain.paging import Page


class OrderField(StrEnum):
    """The columns by which the log can be sorted."""

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
"""The index in the order of each column."""

_FINE: Final = frozenset(
    {MESSAGE.c.subject_key, MESSAGE.c.sender_key, MESSAGE.c.created_at, MESSAGE.c.scheduled_at}
)
"""Columns with few messages per value: whatever sorts after them, their index is nearly in the order of the log."""

_GROUPED: Final = frozenset(
    {MESSAGE.c.status_rank, MESSAGE.c.type_key, MESSAGE.c.school_up, MESSAGE.c.school_down}
)
"""Columns with few values: the next column is scanned within each value."""

_COARSE: Final = frozenset({MESSAGE.c.status_rank, MESSAGE.c.type_key})
"""Columns with very many messages per value, oldest first: the scan to later days is long."""


def order(fields: Sequence[tuple[OrderField, bool]], *, scope: object) -> Order:
    """Return the order by `fields`, each with whether it descends; ties are ordered by id, in the direction of the last field."""
    terms = [
        Term(field, (_SORTED_DOWN_BY if descending else _SORTED_BY)[field], descending)
        for field, descending in fields
    ]
    ties = Term("ID", MESSAGE.c.id, terms[-1].descending if terms else False)
    return Order([*terms, ties], scope=scope)


async def find_page(
    database: Database,
    criteria: Criteria,
    *,
    visibility: Visibility,
    order: Order,
    page: Page,
    fields: frozenset[str] | None = None,
) -> tuple[Slice[MessageRecord], Search]:
    """Return the page of the visible messages that match `criteria`, and the search; `fields` as for `page_of`."""
    search = without_look_up(criteria, visibility=visibility) if database.is_postgresql else None
    if search is not None and _is_one_statement(search, order):
        return await _page_by_one_statement(database, search, order, page, fields), search
    async with database.reading() as connection:
        search = await prepare(connection, criteria, visibility=visibility)
        return await page_of(connection, search, order=order, page=page, fields=fields), search


async def page_of(
    connection: ReadConnection,
    search: Search,
    *,
    order: Order,
    page: Page,
    fields: frozenset[str] | None = None,
) -> Slice[MessageRecord]:
    """Return the page of the messages that `search` finds, with the id and `fields` of each; all fields if None."""
    read, columns = _reading_and_columns(order, fields)
    if order.terms[0].column is not MESSAGE.c.created_at:
        search = await search.with_own_messages(connection)
    fetched = await _rows(connection, search, order, page, columns)
    return order.cut(fetched.rows, page, read, fetched.readers)


def _reading_and_columns(
    order: Order, fields: frozenset[str] | None
) -> tuple[RecordColumns[MessageRecord], tuple[ColumnElement[Any], ...]]:
    """Return what is read of each message, and the columns for it and for the order."""
    read = READING.narrowed(fields, always=KEY)
    return read, (*read.columns.values(), *order.beside(read))


def _is_one_statement(search: Search, order: Order) -> bool:
    """Return whether PostgreSQL needs one statement for a page: not group by group, and no look-up of own messages."""
    needs_own = MINE in search.indexes.leads and order.terms[0].column is not MESSAGE.c.created_at
    return not needs_own and not _is_grouped(search, order)


def _is_grouped(search: Search, order: Order) -> bool:
    is_known = search.indexes.are_rows_known
    return order.terms[0].column in _GROUPED and len(order.terms) > 2 and not is_known


async def _page_by_one_statement(
    database: Database,
    search: Search,
    order: Order,
    page: Page,
    fields: frozenset[str] | None,
) -> Slice[MessageRecord]:
    read, columns = _reading_and_columns(order, fields)
    values = {**_beyond(search, order, page).values, **order.parameters(page)}
    if _is_walked(search, order):
        walk = _walk_statement(order.terms, sides(page), columns)
        fetched = await database.generic.fetch(walk, values)
    else:
        assert search.shape is not None, "a search of `without_look_up` has a shape"
        statement = _page_statement(
            search.shape, order.terms, sides(page)._replace(size=0), columns, None
        )
        fetched = await database.custom.fetch(statement, values)
    return order.cut(fetched.rows, page, read, fetched.readers)


def _is_walked(search: Search, order: Order) -> bool:
    """Return whether one index serves the page for all days, so that one plan is enough: planning takes longer than reading."""
    first = order.terms[0].column
    return search.shape == WHOLE_LOG and first is MESSAGE.c.created_at and len(order.terms) == 2


@lru_cache(MOST_STATEMENTS)
def _walk_statement(
    terms: tuple[Term, ...], page: Page, columns: tuple[ColumnElement[Any], ...]
) -> Select[Any]:
    statement = _page(predicates(WHOLE_LOG).parts, Order(terms, scope=""), page, columns, None)
    # The limit is part of the text: if it is a parameter of a generic plan, PostgreSQL expects a tenth of the log.
    return statement.limit(literal_column(str(page.size + 1)))


def _beyond(search: Search, order: Order, page: Page) -> Search:
    """Return the search limited to the days beyond the cursor of `page`, if the order starts with the day."""
    edge = order.edge(page)
    if edge is None or order.terms[0].column is not MESSAGE.c.created_at:
        return search
    return search.beyond(edge[0], falls=edge[1])


async def _rows(
    connection: ReadConnection,
    search: Search,
    order: Order,
    page: Page,
    columns: tuple[ColumnElement[Any], ...],
) -> Fetched:
    """Return the `columns` of the rows of `page`, and of one more if there is one."""
    if _is_grouped(search, order):
        return read_already(await _rows_by_group(connection, search, order, page, columns))
    hint = await search.indexes.to_page(connection, walk=_walk(order.terms))
    search = _beyond(search, order, page)
    values = {**search.values, **order.parameters(page)}
    if search.shape is None:
        statement = _page(search.parts, order, page, columns, hint)
        return read_already((await connection.execute(statement, values)).all())
    statement = _page_statement(
        search.shape, order.terms, sides(page)._replace(size=0), columns, hint
    )
    return await fetch(connection, statement, values)


@lru_cache(MOST_STATEMENTS)
def _page_statement(
    shape: Shape,
    terms: tuple[Term, ...],
    page: Page,
    columns: tuple[ColumnElement[Any], ...],
    hint: str | None,
) -> Select[Any]:
    return _page(predicates(shape).parts, Order(terms, scope=""), page, columns, hint)


def _page(
    parts: Mapping[str, ColumnElement[bool]],
    order: Order,
    page: Page,
    columns: Sequence[ColumnElement[Any]],
    hint: str | None,
) -> Select[Any]:
    """Return the statement for the rows of `page`, without values of the page."""
    statement = select_by(hint, *columns).where(where(parts))
    walk = _walk(order.terms)
    first = order.terms[0].column
    if walk is not None and hint == by_index(walk.index_name) and first not in _FINE:
        walked = order.numbers(select_by(hint, MESSAGE.c.id).where(where(parts)), page)
        if walked is not None:
            statement = select_by(BY_ROWID, *columns).where(MESSAGE.c.id.in_(walked))
    return order.narrow(statement, page)


async def _rows_by_group(
    connection: ReadConnection,
    search: Search,
    order: Order,
    page: Page,
    columns: tuple[ColumnElement[Any], ...],
) -> Sequence[Sequence[Any]]:
    column = order.terms[0].column
    index = by_index(_WALKS[column])

    async def next_value(condition: ColumnElement[bool], falls: bool) -> Any:
        value = func.max(column) if falls else func.min(column)
        of_district = MESSAGE.c.district_id == search.visibility.district.id
        return await connection.scalar(select_by(index, value).where(of_district, condition))

    async def read(
        inner: Order, page: Page, condition: ColumnElement[bool]
    ) -> Sequence[Sequence[Any]]:
        if inner is not order:
            fetched = await _rows(
                connection, search.within(column, condition), inner, page, columns
            )
            return fetched.rows
        others = search.within(column, condition)
        hint = await others.indexes.to_page(connection, walk=None)
        statement = order.narrow(select_by(hint, *columns).where(others.where()), page)
        values = {**others.values, **order.parameters(page)}
        rows: Sequence[Sequence[Any]] = (await connection.execute(statement, values)).all()
        return rows

    return await rows_by_group(order, page, next_value=next_value, read=read)


def _walk(terms: Sequence[Term]) -> Walk | None:
    first = terms[0].column
    if first not in _WALKS or (len(terms) > 2 and first not in _FINE):
        return None
    return Walk(_WALKS[first], beyond=5 * MANY if first in _COARSE else MANY)
