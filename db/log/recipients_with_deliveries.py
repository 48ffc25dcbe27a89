"""A page of one message's recipients, with the deliveries to each where these are shown: one statement, made once.

Lists of which a part is wanted, and the lists of many messages, are in `db.log.recipients`.
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
from db.sql.keyset_paging import Order, Slice, sides
from db.sql.rows import Reader, Reading, Rows
from db.tables.log import DELIVERY, RECIPIENT
from domain.paging import Page

MOST_STATEMENTS: Final = 200
"""Statements that are kept; operations choose some dozens of fields and sizes."""

Deliveries = Mapping[tuple[int, int], Rows[DeliveryRecord]]
"""The deliveries to each recipient of a page, by its key (message, number)."""

_OF_RECIPIENT: Final = ("message_id", "recipient_number")
"""Of a delivery, what is read of its recipient already."""

Ordered = Callable[[str], Order]
"""The order of a list, for what its cursors depend on."""


class Shown(NamedTuple):
    """What is shown of a page: which fields of recipients, and of the deliveries to them if any; all where None."""

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
    shown: Shown,
) -> tuple[Slice[RecipientRecord], Deliveries]:
    """A page of the list of a message, and the deliveries to each on it; of nobody where none are shown."""
    order = ordered(scope)
    statement, reading, fields = _kept(ordered, sides(page), shown)
    values = {"message": message_id, **order.parameters(page)}
    rows, readers = await fetch_from(source, statement, values)
    own = readers[: len(reading.columns)]
    if fields is None:
        return order.cut(rows, page, reading, own), {}
    people, found = grouped(rows, fields, readers)
    return order.cut(people, page, reading, own), found


def grouped(
    rows: Sequence[Sequence[Any]], fields: tuple[str, ...], readers: tuple[Reader | None, ...]
) -> tuple[Sequence[Sequence[Any]], Deliveries]:
    """The recipients among rows of both, a row each, and the deliveries to each in their order.

    A row begins with the key of the recipient, and ends with what is read of the delivery beside that.
    """
    end = len(_OF_RECIPIENT) - len(fields)
    theirs = (None, None, *readers[end:]) if readers else ()
    people: list[Sequence[Any]] = []
    found: dict[tuple[int, int], Rows[DeliveryRecord]] = {}
    lists: list[list[Sequence[Any]]] = [[]]
    key: Sequence[Any] = ()
    in_order, last = True, 0
    for row in rows:
        if row[:2] != key:
            key, last = row[:2], -1
            people.append(row)
            lists.append([])
            found[row[0], row[1]] = Rows(DeliveryRecord, fields, lists[-1], theirs)
        number = row[end]
        if number is not None:
            in_order = in_order and last < number
            last = number
            lists[-1].append((*key, *row[end:]))
    if not in_order:
        # They come by an index in which they stand in order; but nobody has promised it.
        for sent in lists:
            sent.sort(key=itemgetter(len(_OF_RECIPIENT)))
    return people, found


class _Kept(NamedTuple):
    """A statement, what it reads of each recipient, and the fields that it reads of deliveries, if any."""

    statement: Select[Any]
    reading: Reading[RecipientRecord]
    fields: tuple[str, ...] | None


@lru_cache(MOST_STATEMENTS)
def _kept(ordered: Ordered, page: Page, shown: Shown) -> _Kept:
    """The statement for all pages of this size that have a cursor on the same sides."""
    order = ordered("")
    reading = READING.narrowed(shown.recipients, always=ALWAYS)
    people = reading.select().where(RECIPIENT.c.message_id == bindparam("message"))
    # The number of rows is part of the text: planned without it, PostgreSQL takes it for a tenth of the list.
    people = order.apply(people, reading, page).limit(literal_column(str(page.size + 1)))
    if not shown.has_deliveries:
        return _Kept(people, reading, None)
    beside = deliveries.READING.narrowed(shown.deliveries, always=deliveries.KEY)
    fields = tuple(beside.columns)
    assert fields[: len(_OF_RECIPIENT) + 1] == (*_OF_RECIPIENT, "number")
    of_delivery = [beside.columns[field] for field in fields[len(_OF_RECIPIENT) :]]
    return _Kept(_joined(people, order, page, of_delivery), reading, fields)


def _joined(
    people: Select[Any], order: Order, page: Page, of_delivery: Sequence[ColumnElement[Any]]
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
        # Not by the number of the delivery too, by which PostgreSQL would sort anew what it has in order: see `grouped`.
        .order_by(
            *(
                column.desc() if order.falls(place, page.backward) else column.asc()
                for place, column in enumerate(cast("list[ColumnElement[Any]]", columns))
            )
        )
    )
