"""Paging through a list from either end returns each row from the start exactly once, even while rows arrive."""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, insert

from db.connect.database import Database
from db.log import deliveries, people, recipients
from db.search import index_choice, log_page
from db.search.criteria import Criteria
from db.search.log_page import OrderField
from db.search.search import prepare
from db.sql.keyset_paging import Order, Slice
from db.tables.log import DELIVERY, RECIPIENT
from domain.paging import Page
from domain.people import Role
from domain.search import fold
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from tests import log

EVER: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
WHOLE: Final = Page(4_000, None, None, backward=False)

Shown = Sequence[tuple[Any, ...]]
Fetch = Callable[[Page], Awaitable[Slice[Any]]]
Arrive = Callable[[], Awaitable[None]]

_numbers = itertools.count()

walks = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def walk(fetch: Fetch, *, order: Order, size: int, backward: bool, arrive: Arrive) -> Shown:
    """Return the sort keys of the rows on all pages; call `arrive` between the pages."""
    shown: list[tuple[Any, ...]] = []
    cursor: str | None = None
    while True:
        edges = {"after": None, "before": cursor} if backward else {"after": cursor, "before": None}
        page = await fetch(Page(size, **edges, backward=backward))
        assert len(page.keys) <= size
        assert (page.has_next if backward else page.has_previous) is (cursor is not None)
        shown = [*page.keys, *shown] if backward else [*shown, *page.keys]
        if not (page.has_previous if backward else page.has_next):
            return shown
        assert len(page.keys) == size
        cursor = order.cursors.encode(page.keys[0] if backward else page.keys[-1])
        await arrive()


def stood_in(start: Shown, shown: Shown) -> Shown:
    """Return the rows of `shown` that existed at the start."""
    return [key for key in shown if key in set(start)]


async def assert_complete(
    fetch: Fetch, *, order: Order, size: int, backward: bool, arrive: Arrive
) -> None:
    start = (await fetch(WHOLE)).keys
    shown = await walk(fetch, order=order, size=size, backward=backward, arrive=arrive)
    end = (await fetch(WHOLE)).keys
    assert stood_in(start, shown) == list(start)
    assert stood_in(shown, end) == list(shown)  # in the list's order, and each once


# The log

hours = st.integers(-2, 2).map(lambda hour: log.NOON + timedelta(hours=hour))
written = st.fixed_dictionaries(
    {
        "subject": st.sampled_from(["Bus", "bus", "Lunch", "Łunch"]),
        "type": st.sampled_from([("A", "Absence"), ("B", "Bus")]),
        "school": st.sampled_from([None, "east", "west"]),
        "sender": st.sampled_from([("u1", "Lee"), ("u2", "Zoë")]),
        "schedule_id": st.sampled_from([None, "7", "8"]),
        "status": st.sampled_from([MessageStatus.SENT, MessageStatus.ERROR]),
        "created_at": hours,
        "scheduled_at": hours,
    }
)
sorts = st.lists(
    st.tuples(st.sampled_from(OrderField), st.booleans()),
    max_size=3,
    unique_by=lambda sort: sort[0],
)


@pytest.fixture(params=[0, 20_000], ids="many: {}".format)
def many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The value of MANY: with 0, each page is found by scanning an index."""
    for module in (index_choice, log_page):
        monkeypatch.setattr(module, "MANY", request.param)
    return int(request.param)


@pytest.mark.usefixtures("many")
@walks
@given(
    corpus=st.lists(written, min_size=1, max_size=12),
    arriving=st.lists(st.lists(written, max_size=3), max_size=4),
    sort=sorts,
    size=st.integers(1, 4),
    backward=st.booleans(),
    statuses=st.none() | st.just([MessageStatus.SENT]),
)
async def test_no_message_is_skipped_or_repeated_while_messages_arrive(
    database: Database,
    corpus: Sequence[dict[str, Any]],
    arriving: Sequence[Sequence[dict[str, Any]]],
    sort: Sequence[tuple[OrderField, bool]],
    size: int,
    backward: bool,
    statuses: Sequence[MessageStatus] | None,
) -> None:
    district = f"d{next(_numbers)}"
    ids = map("M-{}".format, itertools.count())

    def lines(some: Sequence[dict[str, Any]]) -> list[bytes]:
        return [log.message(next(ids), district=district, **fields) for fields in some]

    schools = [log.school(school, district=district) for school in ("east", "west")]
    await log.load(database, log.district(district), *schools, *lines(corpus))
    visibility = await log.visibility(database, district=district)
    order = log_page.order(sort, scope="")
    later = iter(arriving)

    async def arrive() -> None:
        if some := next(later, ()):
            await log.load(database, *lines(some))

    async def fetch(page: Page) -> Slice[Any]:
        async with database.reading() as connection:
            search = await prepare(connection, Criteria(*EVER, statuses), visibility=visibility)
            return await log_page.page_of(connection, search, order=order, page=page)

    await assert_complete(fetch, order=order, size=size, backward=backward, arrive=arrive)


# Recipients, deliveries, and the messages of a person


async def add(database: Database, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        async with database.writing() as connection:
            await connection.execute(insert(table), list(rows))


names = st.sampled_from(["Lee", "lee", "Nguyễn", "Nguyen", "Zoë"])


@walks
@given(
    listed=st.dictionaries(st.integers(0, 30), names, min_size=1, max_size=12),
    arriving=st.lists(st.dictionaries(st.integers(0, 30), names, max_size=3), max_size=4),
    size=st.integers(1, 4),
    backward=st.booleans(),
    is_masked=st.booleans(),
    typed=st.sampled_from([None, "ngu"]),
)
async def test_no_recipient_is_skipped_or_repeated_while_the_list_grows(
    database: Database,
    listed: dict[int, str],
    arriving: Sequence[dict[int, str]],
    size: int,
    backward: bool,
    is_masked: bool,
    typed: str | None,
) -> None:
    message_id, person_id = await _empty_message(database)
    taken = set[int]()

    def rows(some: dict[int, str]) -> list[dict[str, Any]]:
        new = {number: name for number, name in some.items() if number not in taken}
        taken.update(new)
        return [
            {
                "message_id": message_id,
                "number": number,
                "person_id": person_id,
                "name": name,
                "key": f"{fold(name)}\n",
                "is_repeat": False,
                "contacted": False,
            }
            for number, name in new.items()
        ]

    await add(database, RECIPIENT, rows(listed))
    order = recipients.in_order_of_list("") if is_masked else recipients.by_name("")
    later = iter(arriving)

    async def arrive() -> None:
        await add(database, RECIPIENT, rows(next(later, {})))

    async def fetch(page: Page) -> Slice[Any]:
        wanted = recipients.RecipientFilter(search=typed)
        async with database.reading() as connection:
            pages = await recipients.pages_of_messages(
                connection, [message_id], wanted=wanted, order=order, page=page
            )
            return pages[message_id]

    await assert_complete(fetch, order=order, size=size, backward=backward, arrive=arrive)


keys = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=12)


@walks
@given(
    made=keys,
    arriving=st.lists(keys, max_size=4),
    size=st.integers(1, 4),
    backward=st.booleans(),
    modes=st.sampled_from([None, (DeliveryMode.EMAIL,)]),
)
async def test_no_delivery_is_skipped_or_repeated_while_deliveries_are_added(
    database: Database,
    made: set[tuple[int, int]],
    arriving: Sequence[set[tuple[int, int]]],
    size: int,
    backward: bool,
    modes: tuple[DeliveryMode, ...] | None,
) -> None:
    people = [log.recipient(f"p{number}", name=f"Parent, {number}") for number in range(7)]
    message_id, _ = await _empty_message(database, *people)
    address_id = await _address(database)
    taken = set[tuple[int, int]]()

    def rows(some: set[tuple[int, int]]) -> list[dict[str, Any]]:
        new = some - taken
        taken.update(new)
        return [
            {
                "message_id": message_id,
                "recipient_number": recipient,
                "number": number,
                "chunk": 0,
                "mode": DeliveryMode.EMAIL if number % 2 else DeliveryMode.INBOX,
                "address": "heather@nomail.example",
                "address_id": address_id,
                "is_duplicate": False,
                "status": DeliveryStatus.SENT,
                "confirmed": False,
                "attempts": 1,
            }
            for recipient, number in sorted(new)
        ]

    await add(database, DELIVERY, rows(made))
    order = deliveries.in_order_of_list("")
    later = iter(arriving)

    async def arrive() -> None:
        await add(database, DELIVERY, rows(next(later, set())))

    async def fetch(page: Page) -> Slice[Any]:
        async with database.reading() as connection:
            pages = await deliveries.pages_of_messages(
                connection,
                [message_id],
                wanted=deliveries.DeliveryFilter(modes=modes),
                order=order,
                page=page,
            )
            return pages[message_id]

    await assert_complete(fetch, order=order, size=size, backward=backward, arrive=arrive)


@walks
@given(
    sent=st.lists(hours, min_size=1, max_size=8),
    arriving=st.lists(st.lists(hours, max_size=3), max_size=4),
    size=st.integers(1, 3),
    backward=st.booleans(),
)
async def test_no_message_of_a_person_is_skipped_or_repeated_while_messages_arrive(
    database: Database,
    sent: Sequence[datetime],
    arriving: Sequence[Sequence[datetime]],
    size: int,
    backward: bool,
) -> None:
    district = f"d{next(_numbers)}"
    ids = map("M-{}".format, itertools.count())

    def lines(some: Sequence[datetime]) -> list[bytes]:
        twice = [log.recipient("p1", student=("s1", "Ann")), log.recipient("p1")]
        return [
            log.message(next(ids), twice, district=district, created_at=created) for created in some
        ]

    await log.load(database, log.district(district), *lines(sent))
    visibility = await log.visibility(database, district=district)
    person_id = (await log.person_ids(database, district=district))["p1"]
    order = people.by_time("", descending=True)
    later = iter(arriving)

    async def arrive() -> None:
        if some := next(later, ()):
            await log.load(database, *lines(some))

    async def fetch(page: Page) -> Slice[Any]:
        async with database.reading() as connection:
            pages = await people.pages_of_people(
                connection,
                [person_id],
                role=Role.CONTACT,
                created=people.created_between(None),
                visibility=visibility,
                order=order,
                page=page,
            )
            return pages[person_id]

    await assert_complete(fetch, order=order, size=size, backward=backward, arrive=arrive)


# The same page of several lists at once


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("size", [0, 1, 2, 9])
async def test_pages_of_several_lists_in_one_statement_equal_those_read_alone(
    database: Database, size: int, backward: bool
) -> None:
    lists = [
        [log.recipient(f"p{n}", name=f"Parent, {-n % 5}") for n in range(count)]
        for count in (0, 1, 3, 5)
    ]
    written = [log.message(f"M-{place}", some) for place, some in enumerate(lists)]
    await log.load(database, log.district(), *written)
    ids = list((await log.message_ids(database)).values())
    order = recipients.by_name("")
    page = Page(size, None, None, backward=backward)

    async def pages(of: Sequence[int]) -> Any:
        async with database.reading() as connection:
            return await recipients.pages_of_messages(
                connection, of, wanted=recipients.RecipientFilter(), order=order, page=page
            )

    alone = {id: _shown((await pages([id]))[id]) for id in ids}
    assert {id: _shown(page) for id, page in (await pages(ids)).items()} == alone
    assert [len(rows) for rows, *_ in alone.values()] == [min(size, len(s)) for s in lists]


def _shown(page: Slice[Any]) -> tuple[Any, ...]:
    return list(page.rows), list(page.keys), page.has_previous, page.has_next


async def _empty_message(database: Database, *people: dict[str, Any]) -> tuple[int, int]:
    """Load a message to these people in a new district, and return another person of that district to add."""
    district = f"d{next(_numbers)}"
    somebody = [log.recipient("somebody", log.email())]
    await log.load(
        database,
        log.district(district),
        log.message("M-1", people, district=district),
        log.message("M-2", somebody, district=district),
    )
    message_id = (await log.message_ids(database, district=district))["M-1"]
    return message_id, (await log.person_ids(database, district=district))["somebody"]


async def _address(database: Database) -> int:
    """Return an address of any district."""
    async with database.reading() as connection:
        found = await connection.scalar(DELIVERY.select().with_only_columns(DELIVERY.c.address_id))
    assert found is not None
    return int(found)
