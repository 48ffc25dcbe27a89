"""Days are summed in the background, once after each change, beside processes that change messages."""

from typing import Any

import pytest
from sqlalchemy import select

from db.connect.database import Database
from db.derived.figures.figure_sums import FigureDay, changed_days, sum_day
from db.dispatch import changes, in_flight
from db.dispatch.changes import Change
from db.tables.figures import FIGURE_SUM
from delivery.upkeep import figure_sums
from delivery.upkeep.figure_sums import sum_changed_days
from domain.status import DeliveryStatus, EventSource
from resolvers.audit.recount import check
from tests.delivery.world import World, call, people
from tests.log import NOON, district, load, message, recipient, voice


async def changed(database: Database) -> list[str]:
    async with database.reading() as connection:
        return [one.day for one in await changed_days(connection, after=None, most=99)]


async def sums(database: Database) -> list[tuple[Any, ...]]:
    columns = FIGURE_SUM.c["span", "first_day", "deliveries", "failed"]
    async with database.reading() as connection:
        rows = await connection.execute(select(*columns).order_by(*columns))
        return [tuple(row) for row in rows]


async def fail_one(database: Database, message_id: int) -> None:
    """Have a delivery of a message fail."""
    async with database.writing() as connection:
        await _fail_one(connection, message_id)


async def _fail_one(connection: Any, message_id: int) -> None:
    locked = await in_flight.lock(connection, message_id)
    assert locked is not None
    [before, *_] = await in_flight.by_key(connection, [(message_id, 0, 0)])  # type: ignore[list-item]
    after = before._replace(status=DeliveryStatus.FAILED, at=NOON, attempts=1)
    await changes.write(
        connection, locked, [Change(before, after, EventSource.CALLBACK, None)], now=NOON
    )


@pytest.mark.parametrize("page", [1, 2, 100])
async def test_each_changed_day_is_summed_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(figure_sums, "PAGE", page)
    days = [NOON.replace(day=day) for day in (3, 4, 20)]
    listed = [recipient("p1", voice())]
    lines = [message(f"M-{n}", listed, created_at=day) for n, day in enumerate(days)]
    await load(database, district(), *lines)

    assert await sum_changed_days(database, now=NOON) == 3
    assert await sum_changed_days(database, now=NOON) == 0
    assert await changed(database) == []
    assert [row[:3] for row in await sums(database)] == [
        *(("DAY", f"2020-01-{day}", 1) for day in ("03", "04", "20")),
        ("MONTH", "2020-01-01", 3),
    ]


async def test_a_late_change_moves_the_sums_of_its_day_and_month(database: Database) -> None:
    world = World(database)
    first = await world.load(people(2, call))
    await world.load(people(1, call), id="M-2")
    await sum_changed_days(database, now=NOON)

    await fail_one(database, first)

    assert await changed(database) == ["2020-01-31"]
    assert await sum_changed_days(database, now=NOON) == 1
    assert await sums(database) == [("DAY", "2020-01-31", 3, 1), ("MONTH", "2020-01-01", 3, 1)]
    assert (await check(database)).is_clean


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
async def test_a_day_is_not_summed_while_one_of_its_messages_changes(database: Database) -> None:
    world = World(database)
    message_id = await world.load(people(2, call))
    day = FigureDay(1, "2020-01-31")
    async with database.reading() as connection:
        [day] = await changed_days(connection, after=None, most=1)

    async with database.writing() as writer:
        await _fail_one(writer, message_id)
        async with database.writing() as connection:
            assert not await sum_day(connection, day, now=NOON)
        assert await sums(database) == []

    assert await sum_changed_days(database, now=NOON) == 1
    assert (await sums(database))[0] == ("DAY", "2020-01-31", 2, 1)


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
async def test_a_message_that_changes_while_its_day_is_summed_stays_marked(
    database: Database,
) -> None:
    world = World(database)
    clean = await world.load(people(2, call))
    await sum_changed_days(database, now=NOON)
    await world.load(people(1, call), id="M-2")
    async with database.reading() as connection:
        [day] = await changed_days(connection, after=None, most=1)

    async with database.writing() as connection:
        assert await sum_day(connection, day, now=NOON)
        await fail_one(
            database, clean
        )  # it has no lock here, because its figures were summed before
        async with database.writing() as other:
            assert not await sum_day(other, day, now=NOON)

    assert await changed(database) == ["2020-01-31"]
    await sum_changed_days(database, now=NOON)
    assert (await sums(database))[0] == ("DAY", "2020-01-31", 3, 1)
    assert (await check(database)).is_clean
