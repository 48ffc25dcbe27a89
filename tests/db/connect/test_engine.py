"""Connections send PostgreSQL no needless statements, and no dead one is returned."""

import asyncio

import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy import Integer, Text, column, event, func, select, table, text

from db.connect import engine as engines
from db.connect.database import Database
from db.connect.engine import POOLED
from db.sql.connections import ReadConnection

ON_POSTGRESQL = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
"""SQLite has no server."""


ACTIVITY = table("pg_stat_activity", column("pid", Integer), column("datname", Text))
"""Every connection to the server."""


async def status(connection: ReadConnection) -> TransactionStatus:
    """Return whether a used connection is still in a transaction on the server."""
    await connection.execute(text("SELECT 1"))
    raw = await connection.get_raw_connection()
    assert raw.driver_connection is not None
    found: TransactionStatus = raw.driver_connection.info.transaction_status
    return found


@ON_POSTGRESQL
async def test_reading_opens_no_transaction_and_snapshot_and_writing_do(
    database: Database,
) -> None:
    for _ in range(2):  # the second time over, the connection has been used for the others
        async with database.reading() as connection:
            assert await status(connection) is TransactionStatus.IDLE
        async with database.snapshot() as connection:
            assert await status(connection) is TransactionStatus.INTRANS
        async with database.writing() as connection:
            assert await status(connection) is TransactionStatus.INTRANS
    assert database.engine.pool.status().startswith(f"Pool size: {POOLED}  Connections in pool: 1 ")


@ON_POSTGRESQL
async def test_the_connections_of_concurrent_work_are_kept(database: Database) -> None:
    opened = list[object]()
    event.listen(
        database.engine.sync_engine, "connect", lambda connection, _: opened.append(connection)
    )

    async def ask() -> None:
        async with database.reading() as connection:
            await connection.execute(text("SELECT 1"))

    for _ in range(3):
        await asyncio.gather(*(ask() for _ in range(2 * POOLED)))

    assert len(opened) == POOLED


async def test_an_uncommitted_change_is_rolled_back_also_on_a_reused_connection(
    database: Database,
) -> None:
    async with database.reading() as connection:
        await connection.execute(text("SELECT 1"))

    async def delete_and_fail() -> None:
        async with database.writing() as connection:
            await connection.execute(text("DELETE FROM alembic_version"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await delete_and_fail()
    async with database.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1


@ON_POSTGRESQL
async def test_connections_that_died_in_the_pool_are_replaced(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "LONGEST_UNASKED", 0.0)

    async def two_numbers() -> set[int]:
        async with database.reading() as one, database.reading() as other:
            numbers = [await each.scalar(text("SELECT pg_backend_pid()")) for each in (one, other)]
        return {number for number in numbers if number is not None}

    before = await two_numbers()
    here = [ACTIVITY.c.datname == func.current_database(), ACTIVITY.c.pid != func.pg_backend_pid()]
    await database.generic.fetch(select(func.pg_terminate_backend(ACTIVITY.c.pid)).where(*here), {})
    after = await two_numbers()
    assert len(before) == len(after) == 2
    assert not before & after  # where one has died, none is trusted
