"""After the deadline of an operation nothing of it runs in the database, and nothing is written."""

import asyncio
from typing import Any, Final

import pytest
from sqlalchemy import insert, select, text

from db.connect.database import Database
from db.connect.deadline import each_within, untimed, within
from db.tables.operations import BUDGET
from domain.errors import TimedOut
from tests.log import NOON

SOON: Final = 0.2
"""The time limit in seconds of work that would otherwise run for ever."""
LATE: Final = 600.0
TOLD: Final = (
    "The operation took longer than 0.2 seconds and was stopped. "
    "Request less at once, or try again later."
)
ENDLESS: Final = {
    "postgresql": "SELECT pg_sleep(600)",
    "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
}


async def never(database: Database) -> None:
    """Run a statement that does not end."""
    async with database.reading() as connection:
        await connection.execute(text(ENDLESS[connection.dialect.name]))


async def _written(database: Database) -> list[str]:
    async with database.reading() as connection:
        return list(await connection.scalars(select(BUDGET.c.viewer)))


async def _write(database: Database, *, then: Any) -> None:
    async with database.writing() as connection:
        await connection.execute(insert(BUDGET).values(viewer="u1", empty_at=NOON))
        await then(connection)


async def _running(database: Database) -> list[Any]:
    """Return what still runs: sessions in the server or, for SQLite, connections that were not returned."""
    held = database.engine.sync_engine.pool.checkedout()  # type: ignore[attr-defined]
    if not database.is_postgresql or held:
        return ["a connection"] * held
    async with database.reading() as connection:
        found = await connection.execute(
            text(
                "SELECT query FROM pg_stat_activity WHERE datname = current_database()"
                " AND state <> 'idle' AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        )
        return list(found)


async def test_work_that_ends_in_time_returns_its_result(database: Database) -> None:
    assert await within(LATE, _written(database)) == []


async def test_work_that_fails_in_time_raises_its_own_error(database: Database) -> None:
    async def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await within(LATE, fails())


async def test_a_statement_that_lasts_too_long_is_gone_from_the_server(database: Database) -> None:
    with pytest.raises(TimedOut) as refused:
        await within(SOON, never(database))

    assert (refused.value.message, refused.value.code) == (TOLD, "TIMEOUT")
    assert await _running(database) == []
    assert await _written(database) == []


async def test_all_concurrent_statements_of_an_operation_are_stopped(database: Database) -> None:
    async def both() -> list[BaseException | None]:
        return [*await asyncio.gather(never(database), never(database), return_exceptions=True)]

    ends = await within(SOON, both())

    assert [type(end) for end in ends] == [TimedOut, TimedOut]
    assert await _running(database) == []


async def test_nothing_is_written_after_the_deadline(database: Database) -> None:
    async def wait(connection: Any) -> None:
        await connection.execute(text(ENDLESS[connection.dialect.name]))

    with pytest.raises(TimedOut):
        await within(SOON, _write(database, then=wait))

    assert await _written(database) == []


async def test_no_statement_or_commit_starts_after_the_deadline(database: Database) -> None:
    async def dawdle(connection: Any) -> None:
        with pytest.raises(TimedOut):
            await connection.execute(text(ENDLESS[connection.dialect.name]))
        with pytest.raises(TimedOut):
            await connection.execute(text("SELECT 1"))
        with pytest.raises(TimedOut):
            await _written(database)

    with pytest.raises(TimedOut):
        await within(SOON, _write(database, then=dawdle))

    assert await _written(database) == []


async def test_work_without_database_access_is_stopped_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.connect.deadline.GRACE", 0.1)
    with pytest.raises(TimedOut):
        await within(SOON, asyncio.Event().wait())


async def test_canceling_the_caller_cancels_its_statement(database: Database) -> None:
    began = asyncio.Event()

    async def running() -> None:
        began.set()
        await never(database)

    operation = asyncio.create_task(within(LATE, running()))
    await began.wait()
    operation.cancel()
    with pytest.raises(asyncio.CancelledError):
        await operation

    assert await _running(database) == []


async def test_each_event_of_a_stream_has_the_full_time_limit(database: Database) -> None:
    with each_within(SOON):
        for _ in range(2):
            with pytest.raises(TimedOut):
                await never(database)
            assert await _written(database) == []

    assert await _running(database) == []


async def test_untimed_tasks_have_no_limit(database: Database) -> None:
    go_on = asyncio.Event()

    async def errand() -> None:
        async def wait(_: Any) -> None:
            await go_on.wait()

        await _write(database, then=wait)

    async def operation() -> asyncio.Task[None]:
        with untimed():
            started = asyncio.create_task(errand())
        await asyncio.wait({started}, timeout=SOON * 2)
        return started

    started = await within(SOON, operation())
    go_on.set()
    await started

    assert await _written(database) == ["u1"]


async def test_a_statement_that_waits_for_a_lock_is_stopped(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.connect.deadline.GRACE", 0.5)
    before = asyncio.all_tasks()

    async def at_once(_: Any) -> None: ...

    async with database.writing() as connection:
        await connection.execute(insert(BUDGET).values(viewer="u1", empty_at=NOON))
        with pytest.raises(TimedOut):
            await within(SOON, _write(database, then=at_once))
        await connection.rollback()

    async with asyncio.timeout(20):
        await _write(database, then=at_once)
        # The one that was stopped closes its connection when SQLite returns. A loop that is closed before that never ends.
        await asyncio.gather(*asyncio.all_tasks() - before, return_exceptions=True)
    assert await _written(database) == ["u1"]
