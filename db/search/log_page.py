"""A page of the log in any order, and the index that is scanned for it.

`db.search.search` finds the messages. `plan_page` makes each statement, and `PagePlan.rows` runs it.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, ColumnElement, Select, func, literal_column, true

from db.connect.database import Database
from db.connect.driver_pool import Plan
from db.connect.driver_rows import MOST_STATEMENTS, Fetched, fetch, read_already
from db.log.messages import KEY, READING, MessageRecord, select_by
from db.log.visibility import Visibility
from db.search.criteria import MINE, WHOLE_LOG, Criteria, Shape, predicates
from db.search.index_choice import MANY, Walk
from db.search.search import Search, prepare, where, without_look_up
from db.sql.connections import ReadConnection
from db.sql.cursors import KeyPage, Term
from db.sql.index_hints import BY_ROWID, by_index
from db.sql.keyset_paging import Order, Slice
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


MOST_GROUPS: Final = 8
"""Groups that are read one by one. If the page is not full then, they have few rows each, and the rest is read at once."""

Columns = tuple[ColumnElement[Any], ...]


def order(fields: Sequence[tuple[OrderField, bool]], *, scope: object) -> Order:
    """Return the order by `fields`, each with whether it descends; ties are ordered by id, in the direction of the last field."""
    terms = [
        Term(field, (_SORTED_DOWN_BY if descending else _SORTED_BY)[field], descending)
        for field, descending in fields
    ]
    ties = Term("ID", MESSAGE.c.id, terms[-1].descending if terms else False)
    return Order([*terms, ties], scope=scope)


class PagePlan(NamedTuple):
    """A statement for the rows of a page, and of one more if there is one."""

    statement: Select[Any]
    values: Mapping[str, Any]
    plan: Plan | None
    """How PostgreSQL plans it; None if the statement contains values of the search, so that it is not cached."""

    async def rows(self, source: Database | ReadConnection) -> Fetched:
        """Return the rows, by an open connection or as a single statement."""
        if isinstance(source, Database):
            statements = source.generic if self.plan == "generic" else source.custom
            return await statements.fetch(self.statement, self.values)
        if self.plan is None:
            return read_already((await source.execute(self.statement, self.values)).all())
        return await fetch(source, self.statement, self.values)


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
    if search is not None and not _is_grouped(search, order) and not _needs_own(search, order):
        return await page_of(database, search, order=order, page=page, fields=fields), search
    async with database.reading() as connection:
        search = search or await prepare(connection, criteria, visibility=visibility)
        return await page_of(connection, search, order=order, page=page, fields=fields), search


async def page_of(
    source: Database | ReadConnection,
    search: Search,
    *,
    order: Order,
    page: Page,
    fields: frozenset[str] | None = None,
) -> Slice[MessageRecord]:
    """Return the page of the messages that `search` finds, with the id and `fields` of each; all fields if None.

    If PostgreSQL needs one statement for it, `source` can be the database.
    """
    reading = READING.narrowed(fields, always=KEY)
    columns = (*reading.columns.values(), *order.beside(reading))
    keys = order.cursors.page(page)
    if isinstance(source, Database):
        plan: Plan = "generic" if _is_walked(search, order) else "custom"
        fetched = await plan_page(search, order, keys, columns, plan=plan).rows(source)
    else:
        if _needs_own(search, order):
            search = await search.with_own_messages(source)
        fetched = await _rows(source, search, order, keys, columns)
    return order.cut(fetched.rows, keys, reading, fetched.readers)


def _needs_own(search: Search, order: Order) -> bool:
    """Return whether the messages that the viewer sent are looked up before."""
    return MINE in search.indexes.leads and order.terms[0].column is not MESSAGE.c.created_at


def _is_grouped(search: Search, order: Order) -> bool:
    is_known = search.indexes.are_rows_known
    return order.terms[0].column in _GROUPED and len(order.terms) > 2 and not is_known


def _is_walked(search: Search, order: Order) -> bool:
    """Return whether one index serves the page for all days, so that one plan is enough: planning takes longer than reading."""
    first = order.terms[0].column
    return search.shape == WHOLE_LOG and first is MESSAGE.c.created_at and len(order.terms) == 2


async def _rows(
    connection: ReadConnection, search: Search, order: Order, page: KeyPage, columns: Columns
) -> Fetched:
    """Return the `columns` of the rows of `page`, and of one more if there is one."""
    if _is_grouped(search, order):
        return read_already(await _rows_by_group(connection, search, order, page, columns))
    hint = await search.indexes.to_page(connection, walk=_walk(order.terms))
    return await plan_page(search, order, page, columns, hint=hint).rows(connection)


async def _rows_by_group(
    connection: ReadConnection, search: Search, order: Order, page: KeyPage, columns: Columns
) -> Sequence[Sequence[Any]]:
    """Return the rows of `_rows`, one value of the first column after the other, each in the remaining order.

    So an order by two columns needs no index over both: within one value the second column is walked like an order of one
    column.
    """
    column, inner = order.terms[0].column, Order(order.terms[1:], scope="")
    falls = order.falls(0, page.backward)
    end = page.after if page.backward else page.before

    async def next_value(condition: ColumnElement[bool]) -> Any:
        value = func.max(column) if falls else func.min(column)
        of_district = MESSAGE.c.district_id == search.visibility.district.id
        statement = select_by(by_index(_WALKS[column]), value).where(of_district, condition)
        return await connection.scalar(statement)

    value = await next_value(true()) if page.start is None else page.start[0]
    rows: list[Sequence[Any]] = []
    for _ in range(MOST_GROUPS):
        if value is None or (end and (value < end[0] if falls else value > end[0])):
            return rows
        after, before = (
            key[1:] if key and key[0] == value else None for key in (page.after, page.before)
        )
        rest = KeyPage(page.size - len(rows), after, before, page.backward)
        group = search.within(column, column == value)
        rows += (await _rows(connection, group, inner, rest, columns)).rows
        if len(rows) > page.size:
            return rows
        value = await next_value(column < value if falls else column > value)
    if value is None:
        return rows
    others = search.within(column, column <= value if falls else column >= value)
    hint = await others.indexes.to_page(connection, walk=None)
    rest = page._replace(size=page.size - len(rows))
    fetched = await plan_page(others, order, rest, columns, hint=hint).rows(connection)
    return [*rows, *fetched.rows]


def plan_page(
    search: Search,
    order: Order,
    page: KeyPage,
    columns: Columns,
    *,
    hint: str | None = None,
    plan: Plan = "custom",
) -> PagePlan:
    """Return the plan for the `columns` of the rows of `page`; `hint` names the index for SQLite."""
    values = {**search.values, **page.values}
    if page.start is not None and order.terms[0].column is MESSAGE.c.created_at:
        values |= search.days_beyond(page.start[0], falls=order.falls(0, page.backward))
    if search.shape is None:
        return PagePlan(_statement(search.parts, order, page, columns, hint), values, None)
    form = page.form if plan == "generic" else page.form._replace(size=0)
    statement = _cached_statement(search.shape, order.terms, form, columns, hint, plan)
    return PagePlan(statement, values, plan)


@lru_cache(MOST_STATEMENTS)
def _cached_statement(
    shape: Shape,
    terms: tuple[Term, ...],
    page: KeyPage,
    columns: Columns,
    hint: str | None,
    plan: Plan,
) -> Select[Any]:
    parts, order = predicates(shape).parts, Order(terms, scope="")
    statement = _statement(parts, order, page, columns, hint)
    if plan == "custom":
        return statement
    # The limit is part of the text: if it is a parameter of a generic plan, PostgreSQL expects a tenth of the log.
    return statement.limit(literal_column(str(page.size + 1)))


def _statement(
    parts: Mapping[str, ColumnElement[bool]],
    order: Order,
    page: KeyPage,
    columns: Columns,
    hint: str | None,
) -> Select[Any]:
    """Return the statement for the rows of `page`, without values of the page."""
    statement = select_by(hint, *columns).where(where(parts))
    walk = _walk(order.terms)
    if (
        walk is not None
        and hint == by_index(walk.index_name)
        and order.terms[0].column not in _FINE
    ):
        walked = order.numbers(select_by(hint, MESSAGE.c.id).where(where(parts)), page)
        if walked is not None:
            statement = select_by(BY_ROWID, *columns).where(MESSAGE.c.id.in_(walked))
    return order.narrow(statement, page)


def _walk(terms: Sequence[Term]) -> Walk | None:
    first = terms[0].column
    if first not in _WALKS or (len(terms) > 2 and first not in _FINE):
        return None
    return Walk(_WALKS[first], beyond=5 * MANY if first in _COARSE else MANY)
