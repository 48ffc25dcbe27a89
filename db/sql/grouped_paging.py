"""A page in an order of several columns whose first column has few values: one value after the other, each in the remaining order.

So an order by two columns needs no index over both: within one value the second column is walked like an order of one
column. The caller chooses the rows and the index.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, true

from db.sql.keyset_paging import Order
from domain.paging import Page

MOST: Final = 8
"""Values that are read one by one. If the page is not full then, values have few rows each, and the rest is read at once."""

Row = Sequence[Any]
Read = Callable[[Order, Page, ColumnElement[bool]], Awaitable[Sequence[Row]]]
"""Returns the rows of a page in an order that satisfy a predicate, and one more if there is one."""

NextValue = Callable[[ColumnElement[bool], bool], Awaitable[Any]]
"""Returns the least or the greatest value of the first column that satisfies a predicate; None if there is none."""


async def rows_by_group(
    order: Order, page: Page, *, next_value: NextValue, read: Read
) -> Sequence[Row]:
    """Return the rows of `page`, and one more if there is one."""
    column, inner = order.terms[0].column, Order(order.terms[1:], scope="")
    falls = order.falls(0, page.backward)
    bounds = [None if edge is None else order.key(edge) for edge in (page.after, page.before)]
    begin, end = reversed(bounds) if page.backward else bounds
    value = await next_value(true(), falls) if begin is None else begin[0]
    rows: list[Row] = []
    for _ in range(MOST):
        if value is None or (end is not None and _is_beyond(value, end[0], falls=falls)):
            return rows
        after, before = (
            None if bound is None or bound[0] != value else inner.cursor(bound[1:])
            for bound in bounds
        )
        rest = Page(page.size - len(rows), after, before, page.backward)
        rows += await read(inner, rest, column == value)
        if len(rows) > page.size:
            return rows
        value = await next_value(column < value if falls else column > value, falls)
    if value is None:
        return rows
    others = column <= value if falls else column >= value
    return [*rows, *await read(order, page._replace(size=page.size - len(rows)), others)]


def _is_beyond(value: Any, edge: Any, *, falls: bool) -> bool:
    return bool(value < edge if falls else value > edge)
