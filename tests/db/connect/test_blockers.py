"""A cancel ends the idle session that blocks its lock, and no other session."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from structlog.testing import capture_logs

from db.connect import blockers
from db.connect.blockers import ending_blockers
from db.connect.database import Database
from db.connect.unavailable import AWAY
from db.dispatch import in_flight
from db.dispatch.cancel import CanceledMessage, cancel
from db.sql.connections import ReadConnection, WriteConnection
from tests.delivery.world import World, call, people
from tests.log import NOON

pytestmark = [
    pytest.mark.parametrize(
        "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
    )
]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time after which an idle session is ended."""
    monkeypatch.setattr(blockers, "LONGEST_STILL", timedelta(milliseconds=50))
    monkeypatch.setattr(blockers, "FIRST_LOOK", 0.01)
    monkeypatch.setattr(blockers, "PAUSE", 0.01)


async def locked(database: Database, message_id: int) -> WriteConnection:
    """An idle connection with the lock of a message."""
    connection = WriteConnection(ReadConnection(database.engine.connect()))
    await connection.start()
    await connection.execution_options(isolation_level="READ COMMITTED")
    await in_flight.lock(connection, message_id)
    return connection


async def was_ended(suspended: ReadConnection) -> None:
    """Fail unless the session of a connection was ended."""
    with pytest.raises(AWAY):
        await suspended.execute(select(1))
    await suspended.invalidate()
    await suspended.close()


async def canceled(database: Database, message_id: int) -> object:
    async with database.writing() as connection:
        return await cancel(
            connection, message_id, database=database, by_id="u", by_name="U", reason=None, now=NOON
        )


@pytest.mark.usefixtures("soon")
async def test_a_cancel_ends_the_idle_session_with_the_lock(world: World) -> None:
    message_id = await world.load(people(1, call))
    suspended = await locked(world.database, message_id)
    with capture_logs() as lines:
        async with asyncio.timeout(30):
            assert await canceled(world.database, message_id) == CanceledMessage(is_new=True)
    await was_ended(suspended)
    ended = [line for line in lines if line["log_level"] == "warning"]
    assert [line["event"] for line in ended] == [
        "ended a session that was idle in a transaction with a lock"
    ]


@pytest.mark.usefixtures("soon")
async def test_the_blocker_is_found_behind_another_waiter_and_with_a_full_pool(
    world: World, database_url: str
) -> None:
    message_id = await world.load(people(1, call))
    suspended = await locked(Database(database_url), message_id)
    small = Database(database_url, most=2)

    async def wait_for_the_lock() -> None:
        async with small.writing() as connection:
            assert await in_flight.lock(connection, message_id) is not None

    async with asyncio.timeout(30):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(wait_for_the_lock())
            await _waiting(world.database, 1)
            tasks.create_task(canceled(small, message_id))  # both of the pool's connections wait
    await was_ended(suspended)
    await suspended.engine.dispose()
    await small.dispose()


async def _waiting(database: Database, count: int) -> None:
    """Wait until this many sessions wait for a lock."""
    statement = text(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        " and datname = current_database()"
    )
    async with database.reading() as connection, asyncio.timeout(30):
        while await connection.scalar(statement) != count:
            pass


@pytest.mark.usefixtures("soon")
async def test_an_active_session_is_not_ended(world: World) -> None:
    message_id = await world.load(people(1, call))
    working = await locked(world.database, message_id)
    busy = asyncio.ensure_future(working.execute(text("select pg_sleep(0.5)")))
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(canceled(world.database, message_id))
        await busy
        await working.rollback()
    assert await working.scalar(select(1)) == 1
    await working.close()


@pytest.mark.usefixtures("soon")
async def test_an_idle_session_that_blocks_nobody_stays(world: World) -> None:
    first = await world.load(people(1, call))
    second = await world.load(people(1, call), id="M-2")
    aside, in_the_way = await locked(world.database, second), await locked(world.database, first)
    async with asyncio.timeout(30):
        await canceled(world.database, first)
    assert await aside.scalar(select(1)) == 1
    await aside.close()
    await was_ended(in_the_way)


@pytest.mark.usefixtures("soon")
async def test_an_unavailable_database_does_not_stop_the_search_for_blockers(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()

    class Away:
        async def fetch(self, *_: Any) -> Any:
            failed.set()
            raise AWAY[0]("", {}, Exception())

    monkeypatch.setattr(database, "custom", Away())
    with capture_logs() as lines:
        async with database.writing() as connection, ending_blockers(connection, database):
            await failed.wait()
            assert await connection.scalar(select(1)) == 1
    assert {line["event"] for line in lines} == {"looking for idle sessions failed"}


async def test_a_starved_process_keeps_its_transaction_for_half_a_minute(world: World) -> None:
    message_id = await world.load(people(1, call))
    async with world.database.writing() as connection:
        await in_flight.lock(connection, message_id)
        limit = await connection.scalar(text("show idle_in_transaction_session_timeout"))
    assert limit == in_flight.LONGEST_IDLE == "30s"
