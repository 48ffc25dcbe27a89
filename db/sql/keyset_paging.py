"""A page of a list in any order, found by what stands at its edge: the same cost at any depth.

What is listed, and who may see it, is not known here.
"""

import base64
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, Generic, NamedTuple, TypeVar, overload

import orjson
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    SmallInteger,
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
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from db.sql.column_types import Instant
from db.sql.index_hints import BY_ROWID
from db.sql.key_lists import each
from db.sql.rows import Reader, Reading, Rows
from domain.errors import BadUserInput
from domain.paging import Page

R = TypeVar("R")


_AFTER: Final = "after"
_BEFORE: Final = "before"
_ROWS: Final = bindparam("rows", type_=Integer)


class Term(NamedTuple):
    """A column that a list is ordered by. It has no nulls, which the engines would sort each in its way."""

    name: str
    column: ColumnElement[Any]
    descending: bool = False


class Slice(NamedTuple, Generic[R]):
    """The rows of a page in the list's order, what each is ordered by, and whether there are more on either side."""

    rows: Rows[R]
    keys: "Keys"
    has_previous: bool
    has_next: bool


def sides(page: Page) -> Page:
    """A page as a statement that is kept knows it: its size, how it is walked, and on which sides it has a cursor."""
    return page._replace(after=page.after and "", before=page.before and "")


class Keys(Sequence[tuple[Any, ...]]):
    """What each of some rows is ordered by; taken out of a row when it is asked for, as most are not."""

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
            return Keys(self._rows[place], self._places)
        row = self._rows[place]
        return tuple(row[at] for at in self._places)


class Order:
    """The order of a list, whose last term tells any two rows apart. `scope` spells all else that a cursor depends on."""

    def __init__(self, terms: Sequence[Term], *, scope: object) -> None:
        self.terms = tuple(terms)
        self._scope = scope

    @cached_property
    def mark(self) -> str:
        """What each cursor of this list begins with. Most lists are read without one."""
        terms = [(str(term.name), term.descending) for term in self.terms]
        spelled = repr((self._scope, terms))
        return hashlib.blake2b(spelled.encode(), digest_size=6).hexdigest()

    def cursor(self, key: Sequence[Any]) -> str:
        """The cursor of the row with these values."""
        return base64.urlsafe_b64encode(orjson.dumps([self.mark, *key])).decode().rstrip("=")

    def key(self, cursor: str) -> tuple[Any, ...]:
        """The values that a cursor stands for. Raises `BadUserInput` for one that is broken or of another list."""
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            said = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if not isinstance(said, list) or not said or not isinstance(said[0], str):
                raise ValueError
        except ValueError:
            raise _no_cursor(cursor) from None
        mark, *key = said
        if mark != self.mark:
            raise BadUserInput(
                "This cursor comes from a list with another filter or order. Begin that list again without a cursor."
            )
        if len(key) != len(self.terms):
            raise _no_cursor(cursor)
        try:
            return tuple(
                _read(value, term.column.type) for value, term in zip(key, self.terms, strict=True)
            )
        except (ValueError, OverflowError):
            raise _no_cursor(cursor) from None

    def apply(self, statement: Select[Any], reading: Reading[Any], page: Page) -> Select[Any]:
        """`statement`, which selects what `reading` says, for the rows of `page`, and one more to see whether there are any.

        To be asked with what `given` says.
        """
        return self.narrow(statement.add_columns(*self.beside(reading)), page)

    def beside(self, reading: Reading[Any]) -> Sequence[ColumnElement[Any]]:
        """The columns that a page is ordered by and that `reading` does not read."""
        return [
            term.column.label(f"key_{place}")
            for place, term in enumerate(self.terms)
            if not _is_read(term.column, reading)
        ]

    def by(self, *, backward: bool = False) -> list[ColumnElement[Any]]:
        """The ORDER BY of this list, walked from its front or from its end."""
        return [
            term.column.desc() if term.descending != backward else term.column.asc()
            for term in self.terms
        ]

    def cut(
        self,
        rows: Sequence[Sequence[Any]],
        page: Page,
        reading: Reading[R],
        readers: tuple[Reader | None, ...] = (),
    ) -> Slice[R]:
        """The slice that the rows of an applied statement make; `readers` as for `Rows`.

        On the side of a cursor there is a row, the cursor's own; on the other side, the row that was read beyond the
        page. Between two cursors only what lies between them counts (Relay's rule).
        """
        more = len(rows) > page.size
        kept = rows[: page.size]
        if page.backward:
            kept = kept[::-1]
        return Slice(
            rows=Rows(reading.record, tuple(reading.columns), kept, readers),
            keys=Keys(kept, self._places(reading)),
            has_previous=more if page.backward else page.after is not None,
            has_next=page.before is not None if page.backward else more,
        )

    def _places(self, reading: Reading[Any]) -> Sequence[int]:
        """Where in a row of an applied statement the values stand that it is ordered by."""
        names = {id(column): place for place, column in enumerate(reading.columns.values())}
        beside = itertools.count(len(names))
        return [
            names[id(term.column)] if _is_read(term.column, reading) else next(beside)
            for term in self.terms
        ]

    def narrow(self, statement: Select[Any], page: Page) -> Select[Any]:
        """`statement`, whatever it selects, for the rows that `apply` gives.

        Of the page it has no value: it is the same for all that have a cursor on the same sides and are walked the same way.
        """
        if page.after is not None:
            statement = statement.where(self._beyond(_AFTER, backward=False))
        if page.before is not None:
            statement = statement.where(self._beyond(_BEFORE, backward=True))
        return statement.order_by(*self.by(backward=page.backward)).limit(_ROWS)

    def given(self, page: Page) -> Mapping[str, Any]:
        """The values with which a statement that was narrowed to `page` is asked. Raises `BadUserInput` as `key` does."""
        given: dict[str, Any] = {_ROWS.key: page.size + 1}
        for side, cursor in ((_AFTER, page.after), (_BEFORE, page.before)):
            if cursor is not None:
                given |= {f"{side}_{place}": value for place, value in enumerate(self.key(cursor))}
        return given

    def edge(self, page: Page) -> tuple[Any, bool] | None:
        """The first value of the cursor from which `page` is walked, and whether values fall from there; None without one."""
        cursor = page.before if page.backward else page.after
        return None if cursor is None else (self.key(cursor)[0], self.falls(0, page.backward))

    def numbers(self, statement: Select[Any], page: Page) -> CompoundSelect[Any] | None:
        """The numbers that `statement` selects for the rows of `page`, in two walks; None where there is no cursor.

        To be asked with what `given` says.

        For SQLite, which enters an index at a first value, but not at a number among those that share it: one walk goes
        through the rows that share the cursor's first value, and one through those beyond.
        """
        cursor, side = (page.before, _BEFORE) if page.backward else (page.after, _AFTER)
        if cursor is None or len(self.terms) != 2 or (page.after and page.before):
            return None
        first, ties = self._edge(side)
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
        """Whether a row stands after the cursor of that side, or before it when `backward`."""
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
        # An index is entered at the first bound; among the alternatives alone it would be read from its beginning.
        bound = columns[0] <= edge[0] if self.falls(0, backward) else columns[0] >= edge[0]
        return and_(bound, or_(*steps))

    def falls(self, place: int, backward: bool) -> bool:
        """Whether the values of the term at `place` fall in the direction in which a page is walked."""
        return self.terms[place].descending != backward


def _is_read(column: ColumnElement[Any], reading: Reading[Any]) -> bool:
    return any(column is one for one in reading.columns.values())


_RANGES: Final = ((SmallInteger, 2**15), (BigInteger, 2**63), (Integer, 2**31))
"""Below which a number fits each type of column; PostgreSQL fails on others, whatever they are compared with."""


def _read(value: Any, kind: TypeEngine[Any]) -> Any:
    """The value of a column of `kind` that a cursor holds; raises `ValueError` or `OverflowError` where it is none."""
    if isinstance(kind, Instant):
        if not isinstance(value, str):
            raise ValueError
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            raise ValueError
        return instant.astimezone(UTC)
    if type(value) is not kind.python_type:
        raise ValueError
    if isinstance(value, str) and "\0" in value:  # PostgreSQL has no such texts
        raise ValueError
    if isinstance(value, int):
        least = next(limit for number, limit in _RANGES if isinstance(kind, number))
        if not -least <= value < least:
            raise ValueError
    return value


def _no_cursor(text: str) -> BadUserInput:
    return BadUserInput(f"{text[:40]!r} is not a cursor. Take one from pageInfo or from an edge.")


async def slices(
    connection: AsyncConnection,
    parents: Sequence[int],
    *,
    of: Callable[[Any], Select[Any]],
    order: Order,
    page: Page,
    reading: Reading[R],
) -> Mapping[int, Slice[R]]:
    """The same page of the list of each parent, by parent, in one statement that reads those pages and no more.

    `of` selects what `reading` says of the list of one parent; the first of its columns belongs to the table of which each
    row is one entry.
    """
    if len(parents) == 1:
        statement = order.apply(of(literal(parents[0])), reading, page)
        rows = (await connection.execute(statement, order.given(page))).all()
        return {parents[0]: order.cut(rows, page, reading)}
    paged = (
        _page_of_each_in_sqlite
        if connection.dialect.name == "sqlite"
        else _page_of_each_in_postgresql
    )
    found: dict[int, list[Sequence[Any]]] = {parent: [] for parent in parents}
    statement = paged(parents, of, order, reading, page)
    for row in await connection.execute(statement, order.given(page)):
        found[row[-1]].append(row)
    return {parent: order.cut(rows, page, reading) for parent, rows in found.items()}


def _page_of_each_in_postgresql(
    parents: Sequence[int],
    of: Callable[[Any], Select[Any]],
    order: Order,
    reading: Reading[Any],
    page: Page,
) -> Select[Any]:
    given = each(parents, "postgresql")
    place = func.row_number().over(order_by=order.by(backward=page.backward)).label("place")
    rows = order.apply(of(given.c.value), reading, page).add_columns(place).lateral("page")
    kept = [column for column in rows.c if column.name != "place"]
    return (
        select(*kept, given.c.value.label("parent"))
        .select_from(given.join(rows, true()))
        .order_by(given.c.value, rows.c.place)
    )


def _page_of_each_in_sqlite(
    parents: Sequence[int],
    of: Callable[[Any], Select[Any]],
    order: Order,
    reading: Reading[Any],
    page: Page,
) -> Select[Any]:
    """SQLite has no LATERAL, but a subquery in WHERE may have a limit: it gives the numbers of the rows on each page."""
    given = each(parents, "sqlite")
    whole = of(given.c.value)
    table = next(iter(whole.selected_columns)).table
    number = literal_column(f"{table.name}.rowid", Integer)
    paged = order.narrow(whole.with_only_columns(number), page).correlate(given)
    return (
        whole.add_columns(*order.beside(reading), given.c.value.label("parent"))
        .with_hint(table, BY_ROWID, "sqlite")
        .where(number.in_(paged))
        .order_by(given.c.value, *order.by(backward=page.backward))
    )
