"""The promise: figures equal a recount from the rows at each moment, whichever days are summed, for each viewer."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.connect.database import Database
from db.derived.figures.figure_rows import find_figures
from db.derived.figures.figure_sums import (
    all_days,
    changed_days,
    differing_counts,
    differing_months,
)
from db.dispatch.in_flight import LiveDelivery
from delivery.upkeep.figure_sums import sum_changed_days
from domain.figures import MOST_ROWS, DayRange, FigureDimension
from domain.message import Source
from domain.status import DeliveryMode
from tests.db.derived.figures.figure_oracle import (
    FIRST,
    LAST,
    VALUES,
    Log,
    Step,
    check_record,
    day_of,
    figures,
    filters,
    groups,
    passes,
    query_of,
    shown,
    steps,
)
from tests.log import NOON, device, district, load, message, recipient, school, visibility
from tests.resolvers.uploads import wipe


@given(
    steps,
    st.lists(st.tuples(groups(), filters), min_size=1, max_size=4),
    st.tuples(st.integers(0, 52), st.integers(0, 52)),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_figures_are_those_of_the_rows(
    database: Database,
    story: list[Step],
    queries: list[tuple[Sequence[FigureDimension], dict[str, Any]]],
    ends: tuple[int, int],
) -> None:
    await wipe(database)
    await load(database, district(), school("east"), school("west"))
    log = Log(database)
    for step in story:
        await log.play(step)
    rows = await log.rows()
    days = DayRange(FIRST + timedelta(days=min(ends)), FIRST + timedelta(days=max(ends)))
    for schools in ((), ("east",), ("east", "west")):
        seen = await visibility(database, schools=schools, now=log.now)
        for group_by, chosen in queries:
            expected: dict[tuple[Any, ...], list[LiveDelivery]] = defaultdict(list)
            for row, delivery in rows:
                is_seen = seen.school_ids is None or row.school_id in seen.school_ids
                is_there = row.visible_from <= log.now and days.first <= day_of(row) <= days.last
                if is_seen and is_there and passes(row, chosen):
                    key = tuple(VALUES[dimension](row, delivery) for dimension in group_by)
                    expected[key].append(delivery)

            records = await figures(database, query_of(seen, days, group_by, **chosen))

            assert sorted((shown(one, group_by) for one in records), key=str) == sorted(
                expected, key=str
            )
            for record in records:
                check_record(record, expected[shown(record, group_by)])
    async with database.snapshot() as connection:
        for day in await all_days(connection):
            assert await differing_counts(connection, day) == []
        assert await differing_months(connection) == []


async def test_a_summed_log_is_read_from_its_sums(database: Database) -> None:
    await load(
        database, district(), message("M-1", [recipient("p1", device(DeliveryMode.INBOX, "ann"))])
    )
    assert await sum_changed_days(database, now=NOON) == 1
    assert await sum_changed_days(database, now=NOON) == 0
    async with database.reading() as connection:
        assert await changed_days(connection, after=None, most=10) == []
    seen = await visibility(database)
    query = query_of(seen, DayRange(FIRST, LAST), [FigureDimension.MONTH])
    [before] = await figures(database, query)
    async with database.writing() as connection:
        await connection.exec_driver_sql("DELETE FROM figure")

    assert await figures(database, query) == [before]


async def test_a_day_with_a_message_that_is_not_visible_yet_is_not_summed(
    database: Database,
) -> None:
    later = NOON + timedelta(hours=3)
    hidden = message("M-1", scheduled_at=later, source=Source.SCHEDULER, status=None)
    await load(database, district(), hidden, message("M-2"))

    assert await sum_changed_days(database, now=NOON) == 0
    assert await sum_changed_days(database, now=later) == 1


async def test_more_rows_than_allowed_are_counted_and_not_returned(database: Database) -> None:
    senders = b"".join(
        message(
            f"M-{n}", [recipient("p1", device(DeliveryMode.INBOX, "ann"))], sender=(f"u{n}", "A")
        )
        for n in range(MOST_ROWS + 1)
    )
    await load(database, district(), senders)
    query = query_of(await visibility(database), DayRange(FIRST, LAST), [FigureDimension.SENDER])

    async with database.snapshot() as connection:
        found = await find_figures(connection, query, with_medians=True)

    assert (found.rows, found.total) == ([], MOST_ROWS + 1)
