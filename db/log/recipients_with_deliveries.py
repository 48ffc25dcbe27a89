"""A page of one message's recipients, with the deliveries to each if requested, in one cached statement.

`db.log.recipients` reads filtered lists and the lists of many messages.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import ColumnElement, Select, and_, bindparam, literal_column, select

from db.connect.single_statement import Source, fetch_from
from db.log import deliveries
from db.log.deliveries import DeliveryRecord
from db.log.recipients import ALWAYS, READING, RecipientRecord
from db.sql.cursors import KeyPage
from db.sql.keyset_paging import Order, Slice
from db.sql.rows import Reader, RecordColumns, Rows
from db.tables.log import DELIVERY, RECIPIENT
from domain.paging import Page

MOST_STATEMENTS: Final = 200
"""Size of the cache of statements; operations select some dozens of field sets and page sizes."""

Deliveries = Mapping[tuple[int, int], Rows[DeliveryRecord]]
"""The deliveries to each recipient on a page, by its key (message, number)."""

_OF_RECIPIENT: Final = ("message_id", "recipient_number")
"""The fields of a delivery that its recipient's row already has."""

Ordered = Callable[[str], Order]
"""Returns the order of a list for a scope, on which its cursors depend."""


class RequestedFields(NamedTuple):
    """The requested fields of recipients, and of their deliveries if `has_deliveries`; None: all."""

    recipients: frozenset[str] | None
    has_deliveries: bool = False
    deliveries: frozenset[str] | None = None


async def page_of_message(
    source: Source,
    message_id: int,
    *,
    ordered: Ordered,
    scope: str,
    page: Page,
    shown: RequestedFields,
) -> tuple[Slice[RecipientRecord], Deliveries]:
    """Return a page of a message's recipients and the deliveries to each; no deliveries unless `has_deliveries`."""
    order = ordered(scope)
    keys = order.cursors.page(page)
    statement, reading, fields = _page_statement(ordered, keys.form, shown)
    rows, readers = await fetch_from(source, statement, {"message": message_id, **keys.values})
    own = readers[: len(reading.columns)]
    if fields is None:
        return order.cut(rows, keys, reading, own), {}
    people, to_each = group_by_recipient(rows, fields, readers)
    return order.cut(people, keys, reading, own), to_each


def group_by_recipient(
    rows: Sequence[Sequence[Any]], fields: tuple[str, ...], readers: tuple[Reader | None, ...]
) -> tuple[Sequence[Sequence[Any]], Deliveries]:
    """Split rows of recipients joined with deliveries: return one row per recipient, and the deliveries to each in order.

    A row starts with the key of the recipient and ends with the other `fields` of the delivery.
    """
    end = len(_OF_RECIPIENT) - len(fields)
    delivery_readers = (None, None, *readers[end:]) if readers else ()
    people: list[Sequence[Any]] = []
    to_each: dict[tuple[int, int], Rows[DeliveryRecord]] = {}
    lists: list[list[Sequence[Any]]] = [[]]
    key: Sequence[Any] = ()
    in_order, last = True, 0
    for row in rows:
        if row[:2] != key:
            key, last = row[:2], -1
            people.append(row)
            lists.append([])
            to_each[row[0], row[1]] = Rows(DeliveryRecord, fields, lists[-1], delivery_readers)
        number = row[end]
        if number is not None:
            in_order = in_order and last < number
            last = number
            lists[-1].append((*key, *row[end:]))
    if not in_order:
        # An index usually returns them in order, but the statement does not ask for it.
        for rows_of_one in lists:
            rows_of_one.sort(key=itemgetter(len(_OF_RECIPIENT)))
    return people, to_each


class _PageStatement(NamedTuple):
    """A statement, what it reads of each recipient, and the fields that it reads of deliveries, if any."""

    statement: Select[Any]
    reading: RecordColumns[RecipientRecord]
    fields: tuple[str, ...] | None


@lru_cache(MOST_STATEMENTS)
def _page_statement(ordered: Ordered, page: KeyPage, shown: RequestedFields) -> _PageStatement:
    """Return the statement for all pages of the same `form`."""
    order = ordered("")
    reading = READING.narrowed(shown.recipients, always=ALWAYS)
    people = reading.select().where(RECIPIENT.c.message_id == bindparam("message"))
    # The limit is part of the text: if it is a parameter of a generic plan, PostgreSQL expects a tenth of the list.
    people = order.apply(people, reading, page).limit(literal_column(str(page.size + 1)))
    if not shown.has_deliveries:
        return _PageStatement(people, reading, None)
    of_deliveries = deliveries.READING.narrowed(shown.deliveries, always=deliveries.KEY)
    fields = tuple(of_deliveries.columns)
    assert fields[: len(_OF_RECIPIENT) + 1] == (*_OF_RECIPIENT, "number")
    of_delivery = [of_deliveries.columns[field] for field in fields[len(_OF_RECIPIENT) :]]
    return _PageStatement(_join_deliveries(people, order, page, of_delivery), reading, fields)


def _join_deliveries(
    people: Select[Any], order: Order, page: KeyPage, of_delivery: Sequence[ColumnElement[Any]]
) -> Select[Any]:
    listed = people.subquery("listed")
    is_to = and_(
        DELIVERY.c.message_id == listed.c.message_id,
        DELIVERY.c.recipient_number == listed.c.number,
    )
    columns = [listed.corresponding_column(cast(Any, term.column)) for term in order.terms]
    assert all(column is not None for column in columns), "a page is ordered by what it reads"
    return (
        select(*listed.c, *of_delivery)
        .select_from(listed.outerjoin(DELIVERY, is_to))
        # Not by the delivery's number too: PostgreSQL would sort rows that are in order. See `group_by_recipient`.
        .order_by(
            *(
                column.desc() if order.falls(place, page.backward) else column.asc()
                for place, column in enumerate(cast("list[ColumnElement[Any]]", columns))
            )
        )
    )
