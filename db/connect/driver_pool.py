"""Connections of PostgreSQL's driver, for statements that stand alone.

SQLAlchemy takes longer to lend a connection and to have it back than PostgreSQL to find a row by its key. What is asked is not
said here, and what belongs to a transaction goes by `db.connect.engine`.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from sqlalchemy import Insert, Select, event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only, greenlet_spawn

from db.connect.deadline import hold, in_time, release
from db.connect.driver_rows import Fetched, Spelled, run, spelled

LONGEST_UNASKED: Final = 1.0
"""Seconds for which a connection may lie idle and be trusted to be alive."""

Driver = AsyncConnection[Any]


class Drivers:
    """Connections to the database of an engine, and with its end: opened as they are wanted, and kept.

    Where all are used, who asks waits. The one that was used last is used next: it has its statements prepared.
    """

    def __init__(self, engine: AsyncEngine, *, most: int, settings: Sequence[str]) -> None:
        """There are `most` at once; on each `settings` are run when it is opened."""
        self._engine = engine.sync_engine
        self._settings = "; ".join(settings).encode()
        self._free = asyncio.Semaphore(most)
        self._idle: list[tuple[Driver, float]] = []
        self._ended = 0
        """How often the engine was disposed of: what was lent before is not taken back."""
        self.lent = 0
        """How many somebody has, or has opened for himself."""
        event.listen(self._engine, "engine_disposed", lambda _: await_only(self.end()))

    def __len__(self) -> int:
        """How many lie idle."""
        return len(self._idle)

    async def fetch(self, statement: Select[Any] | Insert, values: Mapping[str, Any]) -> Fetched:
        """The rows of a statement that is kept; of one that writes, none."""
        if self._engine.dialect.server_version_info is None:
            # A statement is spelled as the server wants it, of which SQLAlchemy asks with its first connection.
            await greenlet_spawn(lambda: self._engine.connect().close())
        told = spelled(statement, self._engine.dialect)
        given = told.given(values)
        async with self._free:
            self.lent += 1
            try:
                return Fetched(await self._run(told, given), told.readers)
            finally:
                self.lent -= 1

    async def _run(self, told: Spelled, given: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        ended = self._ended  # before one is opened: the end may come meanwhile
        driver = await self._ready()
        limit, is_sound = None, True
        try:
            limit = hold(driver)
            with in_time(self._engine, told.text, given):
                return await run(driver, told, given)
        except BaseException as fault:
            is_sound = isinstance(fault, Exception)
            raise
        finally:
            # A cancel that is on its way must not meet the next one's statement.
            was_canceled = release(limit, driver)
            if is_sound and not was_canceled and not driver.closed and ended == self._ended:
                self._idle.append((driver, time.monotonic()))
            else:
                await driver.close()

    async def end(self) -> None:
        """Close what lies idle, and what is lent as soon as it comes back."""
        self._ended += 1
        while self._idle:
            driver, _ = self._idle.pop()
            await driver.close()

    async def _ready(self) -> Driver:
        while self._idle:
            driver, used_at = self._idle.pop()
            if time.monotonic() - used_at < LONGEST_UNASKED or await _is_alive(driver):
                return driver
        return await self._opened()

    async def _opened(self) -> Driver:
        dialect = self._engine.dialect
        arguments, named = dialect.create_connect_args(self._engine.url)
        driver = await AsyncConnection.connect(*arguments, **named, autocommit=True)
        try:
            await driver.execute(self._settings)
        except BaseException:
            await driver.close()
            raise
        return driver


async def _is_alive(driver: Driver) -> bool:
    """Whether the server still knows a connection; one that it does not is closed."""
    try:
        await driver.execute(b"SELECT 1")
    except BaseException as fault:
        await driver.close()
        if not isinstance(fault, psycopg.Error):
            raise
        return False
    return True
