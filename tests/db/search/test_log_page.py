"""A page of the unfiltered log uses one plan for all days, and equals the page that is planned for its days."""

from datetime import timedelta
from typing import Any, Final

import pytest

from db.connect.database import Database
from db.search import log_page
from db.search.criteria import Criteria
from db.search.log_page import OrderField
from db.search.search import prepare
from db.sql.keyset_paging import Order
from domain.paging import Page
from domain.status import MessageStatus
from tests import log
from tests.statements import recorded

NEWEST: Final = [(OrderField.CREATED_AT, True)]
OLDEST: Final = [(OrderField.CREATED_AT, False)]
DAYS: Final = (log.NOON + timedelta(hours=1), log.NOON + timedelta(hours=8))


@pytest.fixture
async def messages(database: Database) -> Database:
    """Ten messages, of which seven are of `DAYS`."""
    await log.load(
        database,
        log.district(),
        log.school("east"),
        *[
            log.message(f"M-{n}", school="east", created_at=log.NOON + timedelta(hours=n))
            for n in range(10)
        ],
    )
    return database


async def walked(database: Database, order: Order, criteria: Criteria, page: Page) -> Any:
    """Return the page, and whether it was read by the connections for keys."""
    visibility = await log.visibility(database)
    with recorded(database) as statements:
        rows, _ = await log_page.find_page(
            database, criteria, visibility=visibility, order=order, page=page
        )
    (statement, *_) = statements
    # A statement that is planned once has the page size in its text.
    return rows, f"LIMIT {page.size + 1}" in statement.text


async def planned(database: Database, order: Order, criteria: Criteria, page: Page) -> Any:
    """Return the page, read by a statement that is planned for its days."""
    async with database.reading() as connection:
        search = await prepare(connection, criteria, visibility=await log.visibility(database))
        return await log_page.page_of(connection, search, order=order, page=page)


@pytest.mark.parametrize("sort", [NEWEST, OLDEST])
async def test_each_page_of_the_unfiltered_log_equals_the_one_planned_for_its_days(
    messages: Database, sort: list[tuple[OrderField, bool]]
) -> None:
    order, criteria = log_page.order(sort, scope=""), Criteria(*DAYS)
    whole = await planned(messages, order, criteria, Page(10, None, None, backward=False))
    cursors = [None, *(order.cursors.encode(key) for key in whole.keys)]
    assert len(whole.rows) == 7

    for size in (0, 1, 3, 10):
        for after in cursors:
            for before in cursors:
                for backward in (False, True):
                    page = Page(size, after, before, backward=backward)
                    expected = await planned(messages, order, criteria, page)
                    rows, is_keyed = await walked(messages, order, criteria, page)

                    assert list(rows.rows) == list(expected.rows), page
                    assert list(rows.keys) == list(expected.keys), page
                    assert rows[2:] == expected[2:], page
                    assert is_keyed == (messages.is_postgresql)


@pytest.mark.parametrize(
    ("sort", "parts"),
    [
        ([(OrderField.SUBJECT, False)], {}),
        ([*NEWEST, (OrderField.SUBJECT, False)], {}),
        (NEWEST, {"statuses": [MessageStatus.SENT]}),
        (NEWEST, {"subject": "m"}),
        (NEWEST, {"recipient": "m"}),
        (NEWEST, {"district_wide": False}),
        ([], {}),
    ],
)
async def test_a_page_in_an_order_without_one_index_is_planned_for_its_values(
    messages: Database, sort: list[tuple[OrderField, bool]], parts: dict[str, Any]
) -> None:
    order = log_page.order(sort, scope="")
    page = Page(50, None, None, backward=False)

    _, is_keyed = await walked(messages, order, Criteria(*DAYS, **parts), page)

    assert not is_keyed


async def test_equal_searches_share_one_statement_in_an_order_by_a_column_that_is_not_read(
    messages: Database,
) -> None:
    order, criteria = log_page.order([(OrderField.SUBJECT, False)], scope=""), Criteria(*DAYS)
    page = Page(3, None, None, backward=False)

    await walked(messages, order, criteria, page)
    made = log_page._cached_statement.cache_info().misses
    await walked(messages, order, criteria, page)

    assert log_page._cached_statement.cache_info().misses == made
