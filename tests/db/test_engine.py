"""Connections: what PostgreSQL is asked beside the statements, and that none is handed out dead."""

import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db import engine as engines
from db.engine import reading, snapshot, writing

ON_POSTGRESQL = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
"""SQLite has no server that could be asked, or go away."""


async def status(connection: AsyncConnection) -> TransactionStatus:
    """Whether the server holds a transaction open for a connection that was used."""
    await connection.execute(text("SELECT 1"))
    raw = await connection.get_raw_connection()
    assert raw.driver_connection is not None
    found: TransactionStatus = raw.driver_connection.info.transaction_status
    return found


@ON_POSTGRESQL
async def test_who_reads_is_in_no_transaction_and_who_needs_one_is(engine: AsyncEngine) -> None:
    for _ in range(2):  # the second time over, the connection has been used for the others
        async with reading(engine) as connection:
            assert await status(connection) is TransactionStatus.IDLE
        async with snapshot(engine) as connection:
            assert await status(connection) is TransactionStatus.INTRANS
        async with writing(engine) as connection:
            assert await status(connection) is TransactionStatus.INTRANS
    assert engine.pool.status().startswith("Pool size: 10  Connections in pool: 1 ")


async def test_what_is_not_committed_is_gone_though_the_connection_was_read_by_before(
    engine: AsyncEngine,
) -> None:
    async with reading(engine) as connection:
        await connection.execute(text("SELECT 1"))

    async def delete_and_fail() -> None:
        async with writing(engine) as connection:
            await connection.execute(text("DELETE FROM alembic_version"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await delete_and_fail()
    async with reading(engine) as connection:
        assert await connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1


@ON_POSTGRESQL
async def test_connections_that_died_in_the_pool_are_replaced(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "LONGEST_UNASKED", 0.0)

    async def two_numbers() -> set[int]:
        async with reading(engine) as one, reading(engine) as other:
            numbers = [await each.scalar(text("SELECT pg_backend_pid()")) for each in (one, other)]
        return {number for number in numbers if number is not None}

    before = await two_numbers()
    async with reading(engine) as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    after = await two_numbers()
    assert len(before) == len(after) == 2
    assert not before & after  # where one has died, none is trusted
