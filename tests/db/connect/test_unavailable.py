"""An unavailable database is distinguished from a fault of ours on both engines, and interrupted work is retried."""

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import exc, text

from db.connect.database import Database
from db.connect.engine import POOLED
from db.connect.unavailable import AWAY, cause, retry_once
from tests.delivery.world import World
from tests.interruptions import end_session

on_postgres = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

VERSION = "select version_num from alembic_version"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("select nothing from nowhere", exc.ProgrammingError),
        ("selec", exc.ProgrammingError),
        ("insert into alembic_version values (null)", exc.IntegrityError),
    ],
)
async def test_a_fault_of_ours_has_one_class_on_both_engines_and_is_never_an_outage(
    database: Database, statement: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as raised:
        async with database.writing() as connection:
            await connection.execute(text(statement))
    assert not isinstance(raised.value, AWAY)


async def test_a_full_pool_is_an_outage(database: Database) -> None:
    small = Database(database.engine.url.render_as_string(hide_password=False), most=1)
    small.engine.pool._timeout = 0.01  # type: ignore[attr-defined]
    async with small.reading():
        with pytest.raises(AWAY) as raised:
            async with small.reading():
                pass
    assert isinstance(raised.value, exc.TimeoutError)
    await small.dispose()


@on_sqlite
async def test_a_locked_file_is_an_outage(database: Database) -> None:
    assert database.engine.url.database is not None
    async with database.reading() as connection:
        await connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(database.engine.url.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(AWAY) as raised:
            async with database.writing():
                pass
    assert cause(raised.value) == "OperationalError SQLITE_BUSY"


@on_postgres
@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("pg_terminate_backend", "AdminShutdown 57P01"),
        ("idle timeout", "IdleInTransactionSessionTimeout 25P03"),
    ],
)
async def test_a_session_that_the_server_ended_is_an_outage(
    world: World, end: str, expected: str
) -> None:

    async def be_ended() -> None:
        async with world.database.writing() as connection:
            pid = await connection.scalar(text("select pg_backend_pid()"))
            assert pid is not None
            if end == "idle timeout":
                short = text("set local idle_in_transaction_session_timeout = '1ms'")
                await connection.execute(short)
                await _is_gone(world, pid)
            else:
                end_session(world.database, pid)
            await connection.execute(text("select 1"))

    with pytest.raises(AWAY) as raised:
        await be_ended()
    # If the process writes before it has read the reason, it only sees a closed connection.
    assert cause(raised.value) in (expected, "OperationalError")


async def _is_gone(world: World, pid: int) -> None:
    async with asyncio.timeout(30):
        while await world.columns_of(f"select 1 from pg_stat_activity where pid = {pid}"):
            pass


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.errors.DeadlockDetected(), "DeadlockDetected 40P01"),
        (psycopg.errors.SerializationFailure(), "SerializationFailure 40001"),
        (psycopg.errors.TooManyConnections(), "TooManyConnections 53300"),
        (psycopg.errors.ReadOnlySqlTransaction(), "ReadOnlySqlTransaction 25006"),
        (psycopg.OperationalError("server closed the connection"), "OperationalError"),
        (exc.OperationalError("", {}, sqlite3.OperationalError("locked")), "OperationalError"),
        (exc.PendingRollbackError("reconnect"), "PendingRollbackError"),
    ],
    ids=str,
)
def test_the_cause_of_an_outage_is_its_class_without_the_statement(
    error: Exception, expected: str
) -> None:
    assert isinstance(error, AWAY)
    assert cause(error) == expected


# Retry


def failing(*errors: Exception) -> tuple[list[int], Callable[[], Awaitable[str]]]:
    """Return work that raises these errors, one per run, and then succeeds; and the list of its runs."""
    runs: list[int] = []

    async def work() -> str:
        runs.append(len(runs))
        if len(runs) <= len(errors):
            raise errors[len(runs) - 1]
        return "done"

    return runs, work


LOST = psycopg.OperationalError("server closed the connection")


async def test_work_that_the_database_ended_is_retried_once() -> None:
    runs, work = failing(LOST)
    assert await retry_once(work) == "done"
    assert runs == [0, 1]


@pytest.mark.parametrize(
    ("errors", "count"),
    [
        ([LOST, LOST], 2),
        ([exc.TimeoutError("the pool is full")], 1),
        ([exc.IntegrityError("", {}, Exception())], 1),
        ([ValueError("a fault of ours")], 1),
    ],
    ids=["ended twice", "full pool", "broken constraint", "fault"],
)
async def test_errors_that_a_retry_cannot_fix_are_not_retried(
    errors: list[Exception], count: int
) -> None:
    runs, work = failing(*errors)
    with pytest.raises(type(errors[-1]), match=re.escape(str(errors[-1]))):
        await retry_once(work)
    assert len(runs) == count


async def test_a_server_opens_as_many_connections_as_before(database: Database) -> None:
    async with asyncio.timeout(30):
        async with asyncio.TaskGroup() as tasks:
            arrived = asyncio.Barrier(POOLED)

            async def hold() -> None:
                async with database.reading():
                    await arrived.wait()

            for _ in range(POOLED):
                tasks.create_task(hold())
