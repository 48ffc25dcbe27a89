"""A page of a list in any order, found by what stands at its edge: the same cost at any depth.

What is listed, and who may see it, is not known here.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

import orjson
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    false,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from db.columns import Instant
from db.keys import each
from domain.errors import BadUserInput
from domain.paging import Page

R = TypeVar("R")


class Term(NamedTuple):
    """A column that a list is ordered by; absent values stand last in both directions."""

    name: str
    column: ColumnElement[Any]
    descending: bool = False
    nullable: bool = False


class Slice(NamedTuple, Generic[R]):
    """The rows of a page in the list's order, what each is ordered by, and whether there are more on either side."""

    rows: Sequence[R]
    keys: Sequence[tuple[Any, ...]]
    has_previous: bool
    has_next: bool


class Order:
    """The order of a list, whose last term tells any two rows apart. `scope` names all else that a cursor depends on."""

    def __init__(self, terms: Sequence[Term], *, scope: str) -> None:
        self.terms = tuple(terms)
        self.columns = tuple(
            term.column.label(f"key_{place}") for place, term in enumerate(self.terms)
        )
        spelled = "\n".join([scope, *(f"{term.name} {term.descending}" for term in self.terms)])
        self.mark = hashlib.blake2b(spelled.encode(), digest_size=6).hexdigest()

    def cursor(self, key: Sequence[Any]) -> str:
        """The cursor of the row with these values."""
        return base64.urlsafe_b64encode(orjson.dumps([self.mark, *key])).decode().rstrip("=")

    def key(self, cursor: str) -> tuple[Any, ...]:
        """The values that a cursor stands for. Raises `BadUserInput` for one that is broken or of another list."""
        try:
            mark, *key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        except (ValueError, TypeError, binascii.Error):
            raise BadUserInput(
                f"{cursor[:40]!r} is not a cursor. Take one from pageInfo or from an edge."
            ) from None
        if mark != self.mark:
            raise BadUserInput(
                "This cursor comes from a list with another filter or order. Begin that list again without a cursor."
            )
        try:
            if len(key) != len(self.terms):
                raise ValueError
            return tuple(_read(value, term) for value, term in zip(key, self.terms, strict=True))
        except (ValueError, TypeError):
            raise BadUserInput(
                f"{cursor[:40]!r} is not a cursor. Take one from pageInfo or from an edge."
            ) from None

    def apply(self, statement: Select[Any], page: Page) -> Select[Any]:
        """`statement` for the rows of `page`, and one more to see whether there are any."""
        statement = statement.add_columns(*self.columns)
        if page.after is not None:
            statement = statement.where(self._beyond(self.key(page.after), backward=False))
        if page.before is not None:
            statement = statement.where(self._beyond(self.key(page.before), backward=True))
        return statement.order_by(*self.by(backward=page.backward)).limit(page.size + 1)

    def by(self, *, backward: bool = False) -> list[ColumnElement[Any]]:
        """The ORDER BY of this list, walked from its front or from its end."""
        parts: list[ColumnElement[Any]] = []
        for term in self.terms:
            if term.nullable:
                absent = term.column.is_(None)
                parts.append(absent.desc() if backward else absent.asc())
            parts.append(term.column.desc() if term.descending != backward else term.column.asc())
        return parts

    def cut(self, rows: Sequence[Sequence[Any]], page: Page, record: Callable[..., R]) -> Slice[R]:
        """The slice that the rows of an applied statement make."""
        more = len(rows) > page.size
        kept = rows[: page.size]
        if page.backward:
            kept = kept[::-1]
        width = len(self.terms)
        return Slice(
            rows=[record(*row[:-width]) for row in kept],
            keys=[tuple(row[-width:]) for row in kept],
            has_previous=more if page.backward else page.after is not None,
            has_next=page.before is not None if page.backward else more,
        )

    def _beyond(self, key: Sequence[Any], *, backward: bool) -> ColumnElement[bool]:
        """Whether a row stands after `key`, or before it when `backward`."""
        directions = {term.descending for term in self.terms}
        if len(directions) == 1 and not any(term.nullable for term in self.terms):
            row = tuple_(*(term.column for term in self.terms))
            edge = tuple_(
                *(
                    literal(value, term.column.type)
                    for value, term in zip(key, self.terms, strict=True)
                )
            )
            return row < edge if directions.pop() != backward else row > edge
        steps: list[ColumnElement[bool]] = []
        equal: list[ColumnElement[bool]] = []
        for value, term in zip(key, self.terms, strict=True):
            steps.append(and_(*equal, _further(term, value, backward=backward)))
            equal.append(_same(term, value))
        return or_(*steps)


def _further(term: Term, value: Any, *, backward: bool) -> ColumnElement[bool]:
    if value is None:
        return term.column.is_not(None) if backward else false()
    edge = literal(value, term.column.type)
    beyond = term.column < edge if term.descending != backward else term.column > edge
    return or_(beyond, term.column.is_(None)) if term.nullable and not backward else beyond


def _same(term: Term, value: Any) -> ColumnElement[bool]:
    return (
        term.column.is_(None) if value is None else term.column == literal(value, term.column.type)
    )


def _read(value: Any, term: Term) -> Any:
    if value is None and term.nullable:
        return None
    if isinstance(term.column.type, Instant):
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            raise ValueError
        return instant
    wanted = term.column.type.python_type
    if type(value) is not wanted or (wanted is int and not -(2**63) <= value < 2**63):
        raise ValueError
    return value


async def slices(
    connection: AsyncConnection,
    parents: Sequence[int],
    *,
    of: Callable[[Any], Select[Any]],
    order: Order,
    page: Page,
    record: Callable[..., R],
) -> Mapping[int, Slice[R]]:
    """The same page of the list of each parent, by parent, in one statement. `of` selects the list of one parent."""
    if len(parents) == 1:
        rows = (await connection.execute(order.apply(of(literal(parents[0])), page))).all()
        return {parents[0]: order.cut(rows, page, record)}
    dialect = connection.dialect.name
    given = each(parents, dialect)
    rows_of_one = order.apply(of(given.c.value), page)
    nth = func.row_number().over(
        partition_by=given.c.value if dialect == "sqlite" else None,
        order_by=order.by(backward=page.backward),
    )
    if dialect == "sqlite":  # which has no LATERAL: every row of each list is numbered
        numbered = (
            rows_of_one.limit(None)
            .order_by(None)
            .add_columns(nth.label("nth"), given.c.value.label("parent"))
        )
        inner: FromClause = numbered.subquery("page")
        statement = select(inner.c.parent, *_kept(inner)).where(inner.c.nth <= page.size + 1)
        statement = statement.order_by(inner.c.parent, inner.c.nth)
    else:
        inner = rows_of_one.add_columns(nth.label("nth")).lateral("page")
        statement = select(given.c.value, *_kept(inner)).select_from(given.join(inner, true()))
        statement = statement.order_by(given.c.value, inner.c.nth)
    found: dict[int, list[Sequence[Any]]] = {parent: [] for parent in parents}
    for parent, *row in await connection.execute(statement):
        found[parent].append(row)
    return {parent: order.cut(rows, page, record) for parent, rows in found.items()}


def _kept(rows: FromClause) -> list[ColumnElement[Any]]:
    return [column for column in rows.c if column.name not in ("nth", "parent")]
