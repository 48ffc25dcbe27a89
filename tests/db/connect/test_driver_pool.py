"""The driver pool opens no more connections than allowed, returns no dead one, and leaves none open."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import psycopg
import pytest
from sqlalchemy import Integer, Select, Text, bindparam, column, func, literal, select, table

from db.connect import driver_pool as module
from db.connect.database import Database
from db.connect.deadline import within
from db.connect.driver_pool import DriverPool
from domain.errors import TimedOut

pytestmark = [
    pytest.mark.parametrize(
        "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
    )
]
"""SQLite has no server."""

MOST: Final = 3
OURS: Final = "SET application_name = 'ours'"
ACTIVITY: Final = table(
    "pg_stat_activity", column("pid", Integer), column("application_name", Text)
)
PID: Final = select(func.pg_backend_pid())
PID_AFTER: Final = select(func.pg_backend_pid(), func.pg_sleep(bindparam("seconds")))
ENDLESS: Final = select(func.pg_sleep(600))
FAILING: Final = select(literal(1) // bindparam("zero", type_=Integer))
ENDS_ITSELF: Final = select(func.pg_terminate_backend(func.pg_backend_pid()))


@pytest.fixture
def drivers(database: Database) -> DriverPool:
    return DriverPool(database.engine, most=MOST, settings=OURS)


async def pid(drivers: DriverPool, statement: Select[tuple[int]] = PID, **values: object) -> int:
    """Return the backend pid of the connection that ran a statement."""
    (row,) = (await drivers.fetch(statement, values)).rows
    found: int = row[0]
    return found


async def open_now(database: Database) -> Sequence[int]:
    """Return the backend pids of our connections."""
    async with database.reading() as connection:
        of_ours = select(ACTIVITY.c.pid).where(ACTIVITY.c.application_name == "ours")
        return sorted((await connection.scalars(of_ours)).all())


async def closed(database: Database, number: int) -> bool:
    """Return whether the server drops a connection, which may take a moment after the client is gone."""
    async with asyncio.timeout(30):
        while number in await open_now(database):
            pass
    return True


async def test_concurrent_statements_open_at_most_the_limit_and_connections_are_kept(
    drivers: DriverPool, database: Database
) -> None:
    used = [
        set(await asyncio.gather(*(pid(drivers, PID_AFTER, seconds=0.1) for _ in range(4 * MOST))))
        for _ in range(2)
    ]

    assert used[0] == used[1] == set(await open_now(database))
    assert len(used[0]) == len(drivers) == MOST


async def test_the_last_used_connection_is_reused_first(drivers: DriverPool) -> None:
    await asyncio.gather(*(pid(drivers, PID_AFTER, seconds=0.3) for _ in range(MOST)))
    last = await pid(drivers)

    assert {await pid(drivers) for _ in range(5)} == {last}


async def test_a_failed_statement_leaves_its_connection_usable(drivers: DriverPool) -> None:
    before = await pid(drivers)

    with pytest.raises(psycopg.errors.DivisionByZero):
        await drivers.fetch(FAILING, {"zero": 0})

    assert await pid(drivers) == before


async def test_a_broken_connection_is_not_kept(drivers: DriverPool) -> None:
    before = await pid(drivers)

    with pytest.raises(psycopg.OperationalError):
        await drivers.fetch(ENDS_ITSELF, {})

    assert len(drivers) == 0
    assert await pid(drivers) != before


async def test_a_connection_that_died_while_idle_is_replaced(
    drivers: DriverPool, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_UNASKED", 0.0)
    await asyncio.gather(*(pid(drivers, PID_AFTER, seconds=0.3) for _ in range(MOST)))
    before = await open_now(database)
    async with database.reading() as connection:
        for number in before:
            await connection.execute(select(func.pg_terminate_backend(number, 5_000)))

    after = {await pid(drivers) for _ in range(2)}

    assert len(before) == MOST
    assert len(after) == 1
    assert after.isdisjoint(before)


async def test_a_connection_that_is_opened_during_the_end_is_not_kept(
    drivers: DriverPool, database: Database
) -> None:
    await pid(drivers)
    await database.dispose()
    asking = asyncio.ensure_future(pid(drivers))  # nothing lies idle any more
    await asyncio.sleep(0)
    await database.dispose()

    number = await asking

    assert len(drivers) == 0
    assert await closed(database, number)


@pytest.mark.parametrize("steps", range(8))
async def test_a_canceled_statement_leaves_no_connection_open(
    drivers: DriverPool, database: Database, steps: int
) -> None:
    # After this many loop iterations: while it is opened, while it is set up, while the statement runs.
    asking = asyncio.ensure_future(drivers.fetch(ENDLESS, {}))
    for _ in range(steps):
        await asyncio.sleep(0)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking

    assert len(drivers) == 0
    for number in await open_now(database):
        assert await closed(database, number)
    assert await pid(drivers)


async def test_a_canceled_waiter_takes_no_connection(drivers: DriverPool) -> None:
    busy = [asyncio.ensure_future(pid(drivers, PID_AFTER, seconds=0.2)) for _ in range(MOST)]
    waiting = asyncio.ensure_future(pid(drivers))
    await asyncio.sleep(0)
    waiting.cancel()

    await asyncio.gather(*busy)

    assert waiting.cancelled()
    assert len(drivers) == MOST


async def test_a_statement_over_its_time_limit_is_canceled_and_its_connection_closed(
    drivers: DriverPool,
) -> None:
    before = await pid(drivers)

    with pytest.raises(TimedOut):
        await within(0.05, drivers.fetch(ENDLESS, {}))

    assert len(drivers) == 0
    assert await pid(drivers) != before


async def test_the_pool_ends_with_the_engine(drivers: DriverPool, database: Database) -> None:
    kept = await pid(drivers)
    lent = asyncio.ensure_future(pid(drivers, PID_AFTER, seconds=0.2))
    await asyncio.sleep(0)
    assert len(drivers) == 0

    await database.dispose()
    number = await lent

    assert number == kept
    assert len(drivers) == 0
    assert await closed(database, number)
