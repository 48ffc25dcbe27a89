"""No search of a large log scans it: the query plans of both databases for every filter and sort."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from benchmarks.large_log import build, size_of
from db.connect.database import Database
from db.derived.addresses import problems, records
from db.derived.addresses.problems import ProblemCriteria
from db.dispatch import due, resend
from db.log import inbox, recipients
from db.log.recipients import RecipientFilter, RecipientOutcome, outcome_counts
from db.log.visibility import Visibility
from db.search import facets, log_changes, log_page
from db.search.criteria import Criteria
from db.search.log_page import OrderField
from db.search.people import PeopleSearch, best_first, find_people
from db.search.search import prepare
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.keyset_paging import Order
from db.upkeep import purge, purge_rows
from domain.delivery_failures import ProblemKind
from domain.paging import Page
from domain.status import DeliveryMode, MessageStatus
from domain.words import parse_query
from tests import log
from tests.db.search.plans import MASS, NOW, Run, found_by_district_alone, read_whole
from tests.statements import recorded

EVER: Final = (log.NOON - timedelta(days=3650), log.NOON + timedelta(days=3650))
MONTH: Final = (log.NOON, log.NOON + timedelta(days=30))
CROWD: Final = 1
OTHERS: Final = list(range(2, 52))
"""Messages to few people each."""

FILTERS: Final[dict[str, dict[str, Any]]] = {
    "nothing": {},
    "days": {"days": MONTH},
    "status": {"statuses": [MessageStatus.ERROR]},
    "two statuses": {"statuses": [MessageStatus.ERROR, MessageStatus.CANCELED]},
    "type": {"types": ["BUS"]},
    "schools": {"schools": [3, 4]},
    "the district alone": {"district_wide": True},
    "mine": {"sender_id": "u7"},
    "modes": {"modes": [DeliveryMode.TEXT]},
    "failures": {"has_failures": True},
    "no failures": {"has_failures": False},
    "subject": {"subject": "(4321)"},
    "subject in short": {"subject": "zq"},
    "sender": {"sender": "olsen, zoe 13"},
    "date of creation": {"created_text": "01/31/2020 11"},
    "date of sending": {"scheduled_text": "01/31/2020 11"},
    "schedule": {"schedule_id": "s-123"},
    "words of one message": {"text": parse_query("4321")},
    "words of no message": {"text": parse_query("zebra crossing")},
    "words of all messages": {"text": parse_query("school due")},
    "phrase of all messages, word of one": {"text": parse_query('"due to weather" 4321')},
    "phrase nowhere, of words of all messages": {"text": parse_query('"weather school"')},
    "words of many messages, never together": {"text": parse_query("lunch student")},
    "recipient": {"recipient": "calvin of 98"},
    "address": {"recipient": "p471@nomail"},
}
TEXTS: Final = {"subject", "sender", "created_text", "scheduled_text", "schedule_id", "recipient"}
SORTS: Final = [
    *[[(field, down)] for field in OrderField for down in (False, True)],
    [(OrderField.STATUS, False), (OrderField.CREATED_AT, True)],
    [(OrderField.SCHOOL, True), (OrderField.SUBJECT, False)],
    [(OrderField.TYPE, False), (OrderField.STATUS, True), (OrderField.SENDER, False)],
]


@pytest.fixture(scope="module")
def large_sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A log so large that no plan scans a table because it is small."""
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('large') / 'sentlog.sqlite3'}"
    build(url, size_of(20_000, 60_000, 10_000))
    return url


@pytest.fixture(scope="module")
def large_postgres(postgres_url: str) -> Iterator[str]:
    """The same on PostgreSQL, in a database of its own."""
    name = f"sentlog_large_{os.getpid()}"
    admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with closing(admin.connect()) as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
        url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        build(url, size_of(20_000, 60_000, 10_000))
        yield url
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(params=["large_sqlite", pytest.param("large_postgres", marks=pytest.mark.postgres)])
def large_url(request: pytest.FixtureRequest) -> str:
    """The large log of one engine."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
async def large(large_url: str) -> AsyncIterator[Database]:
    database = Database(large_url)
    yield database
    await database.dispose()


def search(
    asked: dict[str, Any], *, sort: Sequence[tuple[OrderField, bool]], after: bool = False
) -> Run:
    order: Order = log_page.order(sort, scope="")
    parts = dict(asked)
    days = parts.pop("days", EVER)

    async def run(connection: ReadConnection, visibility: Visibility) -> None:
        ready = await prepare(connection, Criteria(*days, **parts), visibility=visibility)
        page = await log_page.page_of(
            connection, ready, order=order, page=Page(50, None, None, backward=False)
        )
        if after and page.keys:
            cursor = order.cursors.encode(page.keys[-1])
            await log_page.page_of(
                connection, ready, order=order, page=Page(50, cursor, None, backward=False)
            )

    return run


@pytest.mark.parametrize("asked", FILTERS.values(), ids=FILTERS)
async def test_no_filter_scans_the_log_in_any_order(large: Database, asked: dict[str, Any]) -> None:
    for sort in SORTS:
        read = await read_whole(
            large, search(asked, sort=sort, after=True), for_text=not TEXTS.isdisjoint(asked)
        )
        assert read == [], sort


@pytest.mark.parametrize(
    "count",
    [
        facets.count,
        facets.count_by_status,
        facets.count_by_type,
        facets.count_by_school,
        partial(facets.count_by_sender, most=20),
    ],
)
async def test_no_count_of_a_month_scans_the_log(
    large: Database, count: Callable[..., Awaitable[Any]]
) -> None:
    async def run(connection: ReadConnection, visibility: Visibility) -> None:
        await count(connection, await prepare(connection, Criteria(*MONTH), visibility=visibility))

    assert await read_whole(large, run) == []


@pytest.mark.parametrize(
    "typed", ["calvin of 98", "calvin", "ca", "p471", "p471@nomail.example", "account471"]
)
@pytest.mark.parametrize("schools", [None, (3, 4)])
async def test_no_search_for_people_scans_a_table(
    large: Database, typed: str, schools: tuple[int, ...] | None
) -> None:
    async def run(connection: WriteConnection, visibility: Visibility) -> None:
        wanted = PeopleSearch(typed, None, visibility._replace(school_ids=schools))
        order = best_first(wanted)
        slice_ = await find_people(
            connection, wanted, order=order, page=Page(20, None, None, backward=False)
        )
        if slice_.keys:
            cursor = order.cursors.encode(slice_.keys[-1])
            await find_people(
                connection, wanted, order=order, page=Page(20, cursor, None, backward=False)
            )

    read = await read_whole(large, run, for_text=True)
    assert [table for table, _ in read] == []
    assert await found_by_district_alone(large, run) == []


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({"has_failures": True}, "message_with_failures"),
        ({"modes": [DeliveryMode.TEXT]}, "message_of_modes"),
    ],
)
async def test_what_is_rare_is_found_by_its_own_index(
    large: Database, asked: dict[str, Any], index: str
) -> None:
    """Of 20,000 messages none was sent as a text, and ten have a failure."""
    visibility = await log.visibility(large, now=NOW)
    order = log_page.order([(OrderField.CREATED_AT, True)], scope="")
    async with large.writing() as connection:
        await connection.exec_driver_sql(
            "UPDATE message SET has_failures = (id - id / 2000 * 2000 = 5)"
        )
        await connection.exec_driver_sql("ANALYZE message")
        ready = await prepare(connection, Criteria(*EVER, **asked), visibility=visibility)
        with recorded(large) as statements:
            rows = await log_page.page_of(
                connection, ready, order=order, page=Page(50, None, None, backward=False)
            )
        explain = "EXPLAIN" if large.is_postgresql else "EXPLAIN QUERY PLAN"
        text_, parameters = statements[-1]
        plan = (await connection.exec_driver_sql(f"{explain} {text_}", parameters)).all()
        await connection.rollback()

    assert len(rows.rows) == (10 if "has_failures" in asked else 0)
    assert index in str(plan)


async def test_reading_an_inbox_scans_no_table(large: Database) -> None:
    order = inbox.newest_first("")

    async def run(connection: WriteConnection, visibility: Visibility) -> None:
        account = await inbox.account_known_as(connection, "account471", district_id=1)
        assert account is not None
        cursor = None
        for _ in range(2):
            slice_ = await inbox.page_of_account(
                connection,
                account,
                visibility=visibility,
                order=order,
                page=Page(1, cursor, None, backward=False),
            )
            assert len(slice_.rows) == 1
            cursor = order.cursors.encode(slice_.keys[-1])

    assert await read_whole(large, run) == []
    assert await found_by_district_alone(large, run) == []


@pytest.mark.parametrize("outcome", [None, *RecipientOutcome])
@pytest.mark.parametrize("typed", [None, "p471@nomail"])
async def test_reading_one_message_scans_no_table(
    large: Database, outcome: RecipientOutcome | None, typed: str | None
) -> None:
    wanted = RecipientFilter(search=typed, outcome=outcome)

    async def run(connection: ReadConnection, visibility: Visibility) -> None:
        for page in (Page(50, None, None, backward=False), Page(50, None, None, backward=True)):
            await recipients.pages_of_messages(
                connection,
                [CROWD],
                wanted=wanted,
                order=recipients.by_name(""),
                page=page,
            )

    read = await read_whole(large, run, for_text=typed is not None)
    # The crowd is half of all recipients: PostgreSQL may rightly read them all.
    others = {"message", "person", "person_name", "address", "content"}
    assert [found for found in read if found[0] in others] == []


async def outcomes(connection: ReadConnection, visibility: Visibility) -> None:
    await outcome_counts(connection, OTHERS)


async def resendable(connection: ReadConnection, visibility: Visibility) -> None:
    await resend.with_failed(connection, OTHERS)


async def retries(connection: ReadConnection, visibility: Visibility) -> None:
    await due.retries(connection, OTHERS, now=NOW)


async def changes(connection: ReadConnection, visibility: Visibility) -> None:
    criteria = Criteria(*EVER, statuses=[MessageStatus.ERROR])
    watched = await prepare(connection, criteria, visibility=visibility)
    await log_changes.found_among(connection, watched, OTHERS)
    await log_changes.are_visible_on_days(connection, watched, OTHERS)
    await log_changes.next_appearance(connection, criteria, visibility=visibility)


@pytest.mark.parametrize("run", [outcomes, resendable, retries, changes])
async def test_nothing_that_is_shown_or_watched_of_fifty_messages_scans_a_table(
    large: Database, run: Run
) -> None:
    assert await read_whole(large, run) == []


WORKLISTS: Final = {
    "all": ProblemCriteria(),
    "of a school": ProblemCriteria(school_ids=(3,)),
    "of a kind": ProblemCriteria(kinds=(ProblemKind.UNREACHABLE,)),
    "with many failures": ProblemCriteria(min_failures=3),
    "with an address": ProblemCriteria(search="+16120000471"),
    "with a name": ProblemCriteria(search="calvin of 98"),
}


@pytest.mark.parametrize("criteria", WORKLISTS.values(), ids=WORKLISTS)
async def test_no_page_of_the_worklist_scans_the_log(
    large: Database, criteria: ProblemCriteria
) -> None:
    order = problems.most_failures_first("")

    async def run(connection: ReadConnection, visibility: Visibility) -> None:
        for who in (visibility, visibility._replace(school_ids=(3, 4))):
            cursor = None
            for _ in range(2):
                page = await problems.page_of_problems(
                    connection,
                    criteria,
                    visibility=who,
                    order=order,
                    page=Page(50, cursor, None, backward=False),
                )
                cursor = order.cursors.encode(page.keys[-1]) if page.keys else None

    mass = MASS | {"address_failures", "last_delivery"}
    read = await read_whole(large, run, for_text=criteria.search is not None, mass=mass)
    assert read == []


async def test_an_address_and_its_people_are_read_without_a_scan(large: Database) -> None:
    async def run(connection: ReadConnection, visibility: Visibility) -> None:
        ids = list(range(1, 40))
        await records.addresses(connection, ids, visibility=visibility)
        await records.uses(connection, ids)
        await records.people_of(connection, ids, visibility=visibility)
        await records.addresses_of_people(connection, ids, visibility=visibility)
        await problems.problems(connection, ids)

    # Here few addresses failed: PostgreSQL rightly reads them all for forty.
    assert await read_whole(large, run, mass=MASS | {"last_delivery"}) == []


async def test_no_step_of_a_purge_scans_the_log(large: Database) -> None:
    async def run(connection: WriteConnection, visibility: Visibility) -> None:
        await connection.exec_driver_sql(
            "UPDATE message SET status = 'SENT', is_recorded = true WHERE id = 2"
        )
        assert await purge.begin(connection, 2, before=NOW, now=NOW)
        assert await purge_rows.remove_deliveries(connection, 2, most=500)
        assert await purge_rows.remove_recipients(connection, 2, most=500)
        await purge.kept_reports(connection, 2)
        await purge.end(connection, 2)

    read = await read_whole(large, run)
    # SQLite scans the partial index of claimed deliveries, which has only those.
    assert [
        one for one in read if not (one[0] == "delivery" and "claim IS NOT NULL" in one[1])
    ] == []


async def test_a_plan_that_scans_a_table_is_detected(large: Database) -> None:
    async def run(connection: ReadConnection, visibility: Visibility) -> None:
        await connection.exec_driver_sql("SELECT count(*) FROM content WHERE body = 'x'")

    assert [table for table, _ in await read_whole(large, run)] == ["content"]
