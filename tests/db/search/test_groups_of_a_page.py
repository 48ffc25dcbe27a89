"""The number of statements of a page in an order of several columns, for values with many and with few rows."""

from collections.abc import Sequence
from typing import Final

import pytest

from db.connect.database import Database
from db.search import log_page
from db.search.criteria import Criteria
from db.search.log_page import OrderField
from db.search.search import prepare
from domain.paging import Page
from domain.status import MessageStatus
from tests import log
from tests.statements import recorded

SORT: Final = ((OrderField.STATUS, False), (OrderField.SUBJECT, True))
BY_SCHOOL: Final = ((OrderField.SCHOOL, False), (OrderField.SUBJECT, False))
SCHOOLS: Final = [f"s{number:02}" for number in range(log_page.MOST_GROUPS + 4)]


async def page(
    database: Database, sort: Sequence[tuple[OrderField, bool]], size: int
) -> tuple[list[str], bool, int]:
    """Return the ids of the first page, whether more follow, and how many statements read messages."""
    visibility = await log.visibility(database)
    days = (log.NOON.replace(year=2000), log.NOON.replace(year=2100))
    async with database.reading() as connection:
        ready = await prepare(connection, Criteria(*days), visibility=visibility)
        with recorded(database) as asked:
            found = await log_page.page_of(
                connection,
                ready,
                order=log_page.order(sort, scope=""),
                page=Page(size, None, None, backward=False),
            )
    read = [one for one in asked if "message.subject," in one.text and "LIMIT" in one.text]
    return [row.external_id for row in found.rows], found.has_next, len(read)


@pytest.fixture
async def two_statuses(database: Database) -> None:
    lines = [
        log.message(f"{status.value}-{number}", status=status, subject=f"Subject {number}")
        for status in (MessageStatus.CANCELED, MessageStatus.ERROR)
        for number in range(3)
    ]
    await log.load(database, log.district(), *lines)


@pytest.mark.usefixtures("two_statuses")
@pytest.mark.parametrize(
    ("size", "shown", "has_next", "asked"),
    [
        (2, ["ERROR-2", "ERROR-1"], True, 1),
        (3, ["ERROR-2", "ERROR-1", "ERROR-0"], True, 2),
        (4, ["ERROR-2", "ERROR-1", "ERROR-0", "CANCELED-2"], True, 2),
        (6, ["ERROR-2", "ERROR-1", "ERROR-0", "CANCELED-2", "CANCELED-1", "CANCELED-0"], False, 2),
    ],
)
async def test_a_full_page_reads_no_further_value(
    database: Database, size: int, shown: Sequence[str], has_next: bool, asked: int
) -> None:
    assert await page(database, SORT, size) == (shown, has_next, asked)


async def test_after_some_values_with_few_rows_the_rest_is_read_at_once(
    database: Database,
) -> None:
    schools = [log.school(school) for school in SCHOOLS]
    lines = [
        log.message(f"{school}-{number}", school=school, subject=f"Subject {number}")
        for school in reversed(SCHOOLS)
        for number in (2, 1)
    ]
    await log.load(database, log.district(), *schools, *lines)

    everything = [f"{school}-{number}" for school in SCHOOLS for number in (1, 2)]
    assert await page(database, BY_SCHOOL, 50) == (everything, False, log_page.MOST_GROUPS + 1)
