"""Keyset pagination: a page of a list in any order, found by the values at its edge, at the same cost at any depth."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Generic, NamedTuple, TypeVar, overload

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    and_,
    bindparam,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from db.sql.connections import ReadConnection
from db.sql.cursors import Cursors, KeyPage, Term
from db.sql.index_hints import BY_ROWID
from db.sql.key_lists import each
from db.sql.rows import Reader, RecordColumns, Rows
from domain.paging import Page

R = TypeVar("R")


_ROWS: Final = bindparam("rows", type_=Integer)
"""How many rows to read: one more than the page has."""


class Slice(NamedTuple, Generic[R]):
    """The rows of a page in the list's order, their sort keys, and whether there are more rows on either side."""

    rows: Rows[R]
    keys: "SortKeys"
    has_previous: bool
    has_next: bool


class SortKeys(Sequence[tuple[Any, ...]]):
    """The sort keys of rows; each is taken out of its row on access, because most are never used."""

    __slots__ = ("_places", "_rows")

    def __init__(self, rows: Sequence[Sequence[Any]], places: Sequence[int]) -> None:
        self._rows = rows
        self._places = places

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> tuple[Any, ...]: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[tuple[Any, ...]]: ...
    def __getitem__(self, place: int | slice) -> tuple[Any, ...] | Sequence[tuple[Any, ...]]:
        if isinstance(place, slice):
            return SortKeys(self._rows[place], self._places)
        row = self._rows[place]
        return tuple(row[at] for at in self._places)


class Order:
    """The order of a list, whose last term is unique. `scope` is everything else that a cursor depends on, as its `repr`."""

    def __init__(self, terms: Sequence[Term], *, scope: object) -> None:
        self.terms = tuple(terms)
        self.cursors = Cursors(self.terms, scope=scope)

    def apply(
        self, statement: Select[Any], reading: RecordColumns[Any], page: KeyPage
    ) -> Select[Any]:
        """Return `statement`, which selects the columns of `reading`, limited to the rows of `page` and one more.

        Execute it with the `values` of the page.
        """
        return self.narrow(statement.add_columns(*self.beside(reading)), page)

    def beside(self, reading: RecordColumns[Any]) -> Sequence[ColumnElement[Any]]:
        """Return the columns of the order that `reading` does not read."""
        return [
            _key_column(term.column, place)
            for place, term in enumerate(self.terms)
            if not _is_read(term.column, reading)
        ]

    def by(self, *, backward: bool = False) -> list[ColumnElement[Any]]:
        """Return the ORDER BY terms of this list, from its front or from its end."""
        return [
            term.column.desc() if term.descending != backward else term.column.asc()
            for term in self.terms
        ]

    def cut(
        self,
        rows: Sequence[Sequence[Any]],
        page: KeyPage,
        reading: RecordColumns[R],
        readers: tuple[Reader | None, ...] = (),
    ) -> Slice[R]:
        """Return the slice for the rows of a statement of `apply`; `readers` as for `Rows`.

        On the side of a cursor there is a row, that of the cursor. On the other side there is one if the statement
        returned a row beyond the page. Between two cursors only the rows between them count (Relay's rule).
        """
        more = len(rows) > page.size
        on_page = rows[: page.size]
        if page.backward:
            on_page = on_page[::-1]
        return Slice(
            rows=Rows(reading.record, tuple(reading.columns), on_page, readers),
            keys=SortKeys(on_page, self._places(reading)),
            has_previous=more if page.backward else page.after is not None,
            has_next=page.before is not None if page.backward else more,
        )

    def _places(self, reading: RecordColumns[Any]) -> Sequence[int]:
        """Return the places of the sort key in a row of a statement of `apply`."""
        names = {id(column): place for place, column in enumerate(reading.columns.values())}
        beside = itertools.count(len(names))
        return [
            names[id(term.column)] if _is_read(term.column, reading) else next(beside)
            for term in self.terms
        ]

    def narrow(self, statement: Select[Any], page: KeyPage) -> Select[Any]:
        """Return `statement`, with any columns, limited to the rows of `page` and one more.

        It contains no values of the page: pages with the same `form` share the statement.
        """
        if page.after is not None:
            statement = statement.where(self._beyond("after", backward=False))
        if page.before is not None:
            statement = statement.where(self._beyond("before", backward=True))
        return statement.order_by(*self.by(backward=page.backward)).limit(_ROWS)

    def numbers(self, statement: Select[Any], page: KeyPage) -> CompoundSelect[Any] | None:
        """Return a statement for the ids of the rows of `page`, as the union of two index scans; None without a cursor.

        `statement` selects the ids; execute the result with the `values` of the page. SQLite can start an index scan at a first
        value, but not at an id within that value. So one scan reads the rows with the cursor's first value, and one
        those beyond it.
        """
        if page.start is None or len(self.terms) != 2:
            return None
        first, ties = self._edge("before" if page.backward else "after")
        shared, number = (term.column for term in self.terms)
        falls = self.falls(0, page.backward)
        arms = (
            and_(shared == first, number < ties if falls else number > ties),
            shared < first if falls else shared > first,
        )
        walks = [
            statement.where(arm).order_by(*self.by(backward=page.backward)).limit(_ROWS)
            for arm in arms
        ]
        return union_all(*(select(walk.subquery()) for walk in walks))

    def _edge(self, side: str) -> Sequence[BindParameter[Any]]:
        return [
            bindparam(f"{side}_{place}", type_=term.column.type)
            for place, term in enumerate(self.terms)
        ]

    def _beyond(self, side: str, *, backward: bool) -> ColumnElement[bool]:
        """Return the condition that a row comes after the cursor of that side, or before it if `backward`."""
        edge = self._edge(side)
        if len({term.descending for term in self.terms}) == 1:
            row = tuple_(*(term.column for term in self.terms))
            return row < tuple_(*edge) if self.falls(0, backward) else row > tuple_(*edge)
        columns = [term.column for term in self.terms]
        steps: list[ColumnElement[bool]] = []
        for place, column in enumerate(columns):
            same = [columns[earlier] == edge[earlier] for earlier in range(place)]
            further = column < edge[place] if self.falls(place, backward) else column > edge[place]
            steps.append(and_(*same, further))
        # The bound lets the engines start an index scan there; with the alternatives alone they read it from its start.
        bound = columns[0] <= edge[0] if self.falls(0, backward) else columns[0] >= edge[0]
        return and_(bound, or_(*steps))

    def falls(self, place: int, backward: bool) -> bool:
        """Return whether the values of the term at `place` fall in the direction of the page."""
        return self.terms[place].descending != backward


@cache
def _key_column(column: ColumnElement[Any], place: int) -> ColumnElement[Any]:
    # One object per column: with a new one each time, no cache of statements would find the statement again.
    return column.label(f"key_{place}")


def _is_read(column: ColumnElement[Any], reading: RecordColumns[Any]) -> bool:
    return any(column is one for one in reading.columns.values())


async def slices(
    connection: ReadConnection,
    parents: Sequence[int],
    *,
    of: Callable[[Any], Select[Any]],
    order: Order,
    page: Page,
    reading: RecordColumns[R],
) -> Mapping[int, Slice[R]]:
    """Return the same page of the list of each parent, by parent, with one statement that reads only those pages.

    `of` returns the statement that selects the columns of `reading` from the list of one parent. Its first column belongs
    to the table whose rows are the entries of the list.
    """
    keys = order.cursors.page(page)
    if len(parents) == 1:
        statement = order.apply(of(literal(parents[0])), reading, keys)
        rows = (await connection.execute(statement, keys.values)).all()
        return {parents[0]: order.cut(rows, keys, reading)}
    page_of_each = (
        _page_of_each_in_sqlite
        if connection.dialect.name == "sqlite"
        else _page_of_each_in_postgresql
    )
    by_parent: dict[int, list[Sequence[Any]]] = {parent: [] for parent in parents}
    statement = page_of_each(parents, of, order, reading, keys)
    for row in await connection.execute(statement, keys.values):
        by_parent[row[-1]].append(row)
    return {parent: order.cut(rows, keys, reading) for parent, rows in by_parent.items()}


def _page_of_each_in_postgresql(
    parents: Sequence[int],
    of: Callable[[Any], Select[Any]],
    order: Order,
    reading: RecordColumns[Any],
    page: KeyPage,
) -> Select[Any]:
    keys_table = each(parents, "postgresql")
    place = func.row_number().over(order_by=order.by(backward=page.backward)).label("place")
    rows = order.apply(of(keys_table.c.value), reading, page).add_columns(place).lateral("page")
    kept = [column for column in rows.c if column.name != "place"]
    return (
        select(*kept, keys_table.c.value.label("parent"))
        .select_from(keys_table.join(rows, true()))
        .order_by(keys_table.c.value, rows.c.place)
    )


def _page_of_each_in_sqlite(
    parents: Sequence[int],
    of: Callable[[Any], Select[Any]],
    order: Order,
    reading: RecordColumns[Any],
    page: KeyPage,
) -> Select[Any]:
    """Return the statement for SQLite, which has no LATERAL: a limited subquery in WHERE returns the rowids of each page."""
    keys_table = each(parents, "sqlite")
    whole = of(keys_table.c.value)
    table = next(iter(whole.selected_columns)).table
    number = literal_column(f"{table.name}.rowid", Integer)
    paged = order.narrow(whole.with_only_columns(number), page).correlate(keys_table)
    return (
        whole.add_columns(*order.beside(reading), keys_table.c.value.label("parent"))
        .with_hint(table, BY_ROWID, "sqlite")
        .where(number.in_(paged))
        .order_by(keys_table.c.value, *order.by(backward=page.backward))
    )
