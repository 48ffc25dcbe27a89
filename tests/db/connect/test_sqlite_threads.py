"""The promise: the thread of a connection to SQLite does not outlive what was waited for, so it never reports to a closed loop."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy.exc import OperationalError

from db.connect.database import Database
from db.connect.notices import Notices
from db.connect.sqlite_threads import open_connection

TURNS = 50
"""Turns of the event loop that a slow thread takes to end: without a wait, the caller continues in one of the first."""


class SlowEnds:
    """Lets each thread of a connection end only after some turns of the event loop, and counts the ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ended = 0
        self._last: list[threading.Event] = []
        stop = aiosqlite.Connection.stop

        def slow_stop(connection: Any) -> Any:
            loop, is_over = asyncio.get_running_loop(), threading.Event()
            self._last.append(is_over)

            def hold() -> None:
                asyncio.run_coroutine_threadsafe(_turn(), loop).result(30)
                self.ended += 1
                is_over.set()

            connection._tx.put_nowait((None, hold))
            return stop(connection)

        monkeypatch.setattr(aiosqlite.Connection, "stop", slow_stop)

    async def all(self) -> None:
        """Wait until all threads have ended, so that a test that fails leaves none behind."""
        for is_over in self._last:
            await asyncio.to_thread(is_over.wait, 30)


async def _turn() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


@pytest.fixture
async def slow_ends(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SlowEnds]:
    slow = SlowEnds(monkeypatch)
    yield slow
    await slow.all()


def absent(folder: Path) -> str:
    """Return the path of a file that cannot be opened."""
    return str(folder / "absent" / "sentlog.sqlite3")


async def read(database: Database) -> None:
    """Open a connection."""
    async with database.reading():
        pass


async def test_the_thread_of_a_connection_that_cannot_be_opened_has_ended(
    slow_ends: SlowEnds, tmp_path: Path
) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        await open_connection(absent(tmp_path))

    assert slow_ends.ended == 1


async def test_a_database_that_is_away_leaves_no_thread_behind(
    slow_ends: SlowEnds, tmp_path: Path
) -> None:
    database = Database(f"sqlite+aiosqlite:///{absent(tmp_path)}")
    with pytest.raises(OperationalError):
        await read(database)

    assert slow_ends.ended == 1
    await database.dispose()


async def test_a_listener_that_is_canceled_while_it_opens_its_connection_leaves_no_thread_behind(
    slow_ends: SlowEnds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/sentlog.sqlite3")
    opening = blocking_open(monkeypatch)
    async with Notices(database).listening():
        await asyncio.to_thread(opening.begun.wait, 30)
        asyncio.get_running_loop().call_soon(opening.may_end.set)

    assert (len(opening.opened), slow_ends.ended) == (1, 1)
    await database.dispose()


class Opening:
    """An opening of a file that waits."""

    def __init__(self, connect: Callable[..., sqlite3.Connection]) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.opened: list[sqlite3.Connection] = []
        self._connect = connect

    def __call__(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        self.begun.set()
        assert self.may_end.wait(30)
        self.opened.append(self._connect(*arguments, **options))
        return self.opened[-1]


def blocking_open(monkeypatch: pytest.MonkeyPatch) -> Opening:
    opening = Opening(sqlite3.connect)
    monkeypatch.setattr(sqlite3, "connect", opening)
    return opening


async def test_an_opening_that_is_canceled_is_finished_and_closed(
    slow_ends: SlowEnds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/sentlog.sqlite3")
    opening = blocking_open(monkeypatch)
    task = asyncio.ensure_future(read(database))
    await asyncio.to_thread(opening.begun.wait, 30)
    task.cancel()
    opening.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert slow_ends.ended == 1
    (opened,) = opening.opened
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened.execute("SELECT 1")
    await database.dispose()


async def test_dispose_waits_for_an_opening_that_is_canceled_twice(
    slow_ends: SlowEnds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/sentlog.sqlite3")
    opening = blocking_open(monkeypatch)
    task = asyncio.ensure_future(read(database))
    await asyncio.to_thread(opening.begun.wait, 30)
    for _ in range(2):
        task.cancel()
        await _turn()
    assert task.done()
    assert slow_ends.ended == 0
    opening.may_end.set()

    await database.dispose()

    assert (len(opening.opened), slow_ends.ended) == (1, 1)
    opening.opened[0].close()


async def test_dispose_waits_for_the_thread_of_a_connection_that_was_given_up(
    slow_ends: SlowEnds, tmp_path: Path
) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/sentlog.sqlite3")
    connection = await open_connection(str(tmp_path / "sentlog.sqlite3"))
    connection.stop()  # as SQLAlchemy does it if closing is canceled

    await database.dispose()

    assert slow_ends.ended == 1


async def test_an_open_connection_is_used_and_closed_as_before(
    slow_ends: SlowEnds, tmp_path: Path
) -> None:
    connection = await open_connection(str(tmp_path / "sentlog.sqlite3"))
    async with connection.execute("SELECT 1") as cursor:
        assert await cursor.fetchone() == (1,)
    await connection.close()

    assert slow_ends.ended == 1
