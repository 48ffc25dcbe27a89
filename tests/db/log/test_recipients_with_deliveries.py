"""A page of recipients with deliveries, read in one statement, equals the two lists read separately."""

from collections.abc import Sequence

import pytest

from db.connect.database import Database
from db.log import deliveries, recipients
from db.log.recipients import ALL, RecipientRecord, by_name, in_order_of_list
from db.log.recipients_with_deliveries import (
    Ordered,
    RequestedFields,
    group_by_recipient,
    page_of_message,
)
from db.sql.keyset_paging import Slice
from domain.paging import Page
from tests import log
from tests.statements import recorded

SOME = frozenset({"name", "contacted_by_phone"})
OF_DELIVERY = frozenset({"mode", "status"})


@pytest.fixture
async def filled(database: Database) -> Database:
    """A message to seven people with two, one or no devices, not in the order of their names; and another message."""
    people = [
        log.recipient(
            f"p{number}",
            *[log.email(f"p{number}@nomail.example", at=log.NOON), log.voice(call_status=5)][
                : number % 3
            ],
            name=f"Parent, {number * 5 % 7}",
        )
        for number in range(7)
    ]
    await log.load(database, log.district(), log.message("M-1", people), log.message("M-2", people))
    return database


async def one_after_the_other(
    database: Database, ordered: Ordered, page: Page
) -> Slice[RecipientRecord]:
    async with database.reading() as connection:
        pages = await recipients.pages_of_messages(
            connection, [1], wanted=ALL, order=ordered("list"), page=page
        )
    return pages[1]


def whole(page: Slice[RecipientRecord]) -> Sequence[object]:
    """Return all fields of a page."""
    return [list(page.rows), list(page.keys), page.has_previous, page.has_next]


@pytest.mark.parametrize("ordered", [by_name, in_order_of_list])
@pytest.mark.parametrize("backward", [False, True])
async def test_the_page_equals_the_recipients_and_deliveries_read_separately(
    filled: Database, ordered: Ordered, backward: bool
) -> None:
    keyed = filled.generic
    async with filled.reading() as connection:
        sent = await deliveries.of_recipients(connection, [(1, number) for number in range(7)])
    cursor: str | None = None
    for _ in range(4):
        edge = {"before": cursor, "after": None} if backward else {"after": cursor, "before": None}
        page = Page(2, **edge, backward=backward)
        expected = await one_after_the_other(filled, ordered, page)

        with recorded(filled) as statements:
            found, beside = await page_of_message(
                keyed,
                1,
                ordered=ordered,
                scope="list",
                page=page,
                shown=RequestedFields(None, has_deliveries=True),
            )

        assert sum("recipient" in statement.text for statement in statements) == 1
        assert whole(found) == whole(expected)
        for person in found.rows:
            key = person.message_id, person.number
            assert list(beside[key]) == list(sent.get(key, ()))
        if not found.keys:
            break
        cursor = ordered("list").cursors.encode(found.keys[0 if backward else -1])


async def test_only_the_requested_fields_are_read(filled: Database) -> None:
    found, beside = await page_of_message(
        filled.generic,
        1,
        ordered=by_name,
        scope="list",
        page=Page(7, None, None, backward=False),
        shown=RequestedFields(SOME, has_deliveries=True, deliveries=OF_DELIVERY),
    )

    assert set(found.rows.fields) == {"message_id", "number", *SOME}
    assert {rows.fields for rows in beside.values()} == {
        ("message_id", "recipient_number", "number", "mode", "status")
    }


async def test_without_requested_deliveries_none_are_read(filled: Database) -> None:
    with recorded(filled) as statements:
        found, beside = await page_of_message(
            filled.generic,
            1,
            ordered=by_name,
            scope="list",
            page=Page(7, None, None, backward=False),
            shown=RequestedFields(None),
        )

    assert (len(found.rows), beside) == (7, {})
    assert not any("delivery" in statement.text for statement in statements)


def test_deliveries_that_the_database_returns_unordered_are_sorted() -> None:
    fields = ("message_id", "recipient_number", "number", "mode")
    rows = [
        (1, 4, "Ann", 0, "EMAIL"),
        (1, 4, "Ann", 1, "TEXT"),
        (1, 2, "Bea", None, None),
        (1, 7, "Cy", 2, "VOICE"),
        (1, 7, "Cy", 0, "EMAIL"),
        (1, 7, "Cy", 1, "TEXT"),
    ]

    people, found = group_by_recipient(rows, fields, ())

    assert [row[1:3] for row in people] == [(4, "Ann"), (2, "Bea"), (7, "Cy")]
    assert {key: [row[2:] for row in sent.tuples] for key, sent in found.items()} == {
        (1, 4): [(0, "EMAIL"), (1, "TEXT")],
        (1, 2): [],
        (1, 7): [(0, "EMAIL"), (1, "TEXT"), (2, "VOICE")],
    }
