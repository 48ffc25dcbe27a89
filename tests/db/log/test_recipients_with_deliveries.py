"""A page of recipients and the deliveries to each, read at once: the same as read one after the other."""

from collections.abc import Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import reading
from db.connect.single_statement import Keyed
from db.log import deliveries, recipients
from db.log.recipients import ALL, RecipientRecord, by_name, in_order_of_list
from db.log.recipients_with_deliveries import Ordered, Shown, grouped, page_of_message
from db.sql.keyset_paging import Slice
from domain.paging import Page
from tests import log
from tests.statements import recorded

SOME = frozenset({"name", "contacted_by_phone"})
OF_DELIVERY = frozenset({"mode", "status"})


@pytest.fixture
async def filled(engine: AsyncEngine) -> AsyncEngine:
    """A message to seven people: of two devices, of one or of none, not in the order of their names; and another one."""
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
    await log.load(engine, log.district(), log.message("M-1", people), log.message("M-2", people))
    return engine


async def one_after_the_other(
    engine: AsyncEngine, ordered: Ordered, page: Page
) -> Slice[RecipientRecord]:
    async with reading(engine) as connection:
        pages = await recipients.pages_of_messages(
            connection, [1], wanted=ALL, order=ordered("list"), page=page
        )
    return pages[1]


def whole(page: Slice[RecipientRecord]) -> Sequence[object]:
    """All that a page says."""
    return [list(page.rows), list(page.keys), page.has_previous, page.has_next]


@pytest.mark.parametrize("ordered", [by_name, in_order_of_list])
@pytest.mark.parametrize("backward", [False, True])
async def test_it_is_the_page_with_the_deliveries_to_those_on_it(
    filled: AsyncEngine, ordered: Ordered, backward: bool
) -> None:
    keyed = Keyed(filled)
    async with reading(filled) as connection:
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
                shown=Shown(None, has_deliveries=True),
            )

        assert sum("recipient" in statement.text for statement in statements) == 1
        assert whole(found) == whole(expected)
        for person in found.rows:
            key = person.message_id, person.number
            assert list(beside[key]) == list(sent.get(key, ()))
        if not found.keys:
            break
        cursor = ordered("list").cursor(found.keys[0 if backward else -1])


async def test_of_each_it_reads_what_is_shown(filled: AsyncEngine) -> None:
    found, beside = await page_of_message(
        Keyed(filled),
        1,
        ordered=by_name,
        scope="list",
        page=Page(7, None, None, backward=False),
        shown=Shown(SOME, has_deliveries=True, deliveries=OF_DELIVERY),
    )

    assert set(found.rows.fields) == {"message_id", "number", *SOME}
    assert {rows.fields for rows in beside.values()} == {
        ("message_id", "recipient_number", "number", "mode", "status")
    }


async def test_where_no_deliveries_are_shown_none_are_read(filled: AsyncEngine) -> None:
    with recorded(filled) as statements:
        found, beside = await page_of_message(
            Keyed(filled),
            1,
            ordered=by_name,
            scope="list",
            page=Page(7, None, None, backward=False),
            shown=Shown(None),
        )

    assert (len(found.rows), beside) == (7, {})
    assert not any("delivery" in statement.text for statement in statements)


def test_deliveries_that_come_in_another_order_stand_in_theirs() -> None:
    fields = ("message_id", "recipient_number", "number", "mode")
    rows = [
        (1, 4, "Ann", 0, "EMAIL"),
        (1, 4, "Ann", 1, "TEXT"),
        (1, 2, "Bea", None, None),
        (1, 7, "Cy", 2, "VOICE"),
        (1, 7, "Cy", 0, "EMAIL"),
        (1, 7, "Cy", 1, "TEXT"),
    ]

    people, found = grouped(rows, fields, ())

    assert [row[1:3] for row in people] == [(4, "Ann"), (2, "Bea"), (7, "Cy")]
    assert {key: [row[2:] for row in sent.tuples] for key, sent in found.items()} == {
        (1, 4): [(0, "EMAIL"), (1, "TEXT")],
        (1, 2): [],
        (1, 7): [(0, "EMAIL"), (1, "TEXT"), (2, "VOICE")],
    }
