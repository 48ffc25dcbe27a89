"""A pool of PostgreSQL driver connections (psycopg), for single statements.

SQLAlchemy's checkout and checkin take longer than PostgreSQL takes to find a row by its key. Transactions use
`db.connect.database`.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import psycopg
from psycopg import AsyncConnection
from sqlalchemy import Insert, Select, event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only, greenlet_spawn

from db.connect.deadline import hold, in_time, release
from db.connect.driver_rows import CompiledStatement, Fetched, compile_statement, run

LONGEST_UNASKED: Final = 1.0
"""Seconds that a connection may be idle before it is checked (`SELECT 1`) on its next use."""

Plan = Literal["custom", "generic"]
"""How PostgreSQL plans a statement that the driver has prepared.

    custom    each execution with its values: one plan for a common word and for a rare one reads the whole log
    generic   once: rows are found by the same index for all keys, and planning takes longer than executing
"""

Driver = AsyncConnection[Any]


def session_settings(plan: Plan) -> str:
    """Return the SET statements for a new connection."""
    return "; ".join(
        (
            # JIT takes a tenth of a second for each statement that the planner expects to be long; ours are short.
            "SET jit = off",
            # Instants then come in UTC: converting thousands of them takes longer than reading the rest of their rows.
            "SET timezone = 'UTC'",
            f"SET plan_cache_mode = force_{plan}_plan",
        )
    )


class DriverPool:
    """Connections to the database of an engine: opened on demand, kept, and closed when the engine is disposed.

    If all are in use, callers wait. The last used one is reused first, because it has its statements prepared.
    """

    def __init__(self, engine: AsyncEngine, *, most: int, settings: str) -> None:
        """Allow `most` connections at a time; `settings` are SET statements that run when one is opened."""
        self._engine = engine.sync_engine
        self._settings = settings.encode()
        self._free = asyncio.Semaphore(most)
        self._idle: list[tuple[Driver, float]] = []
        self._ended = 0
        """How often the engine was disposed; a connection that was lent before is closed on return."""
        self.lent = 0
        """How many connections are in use or being opened."""
        event.listen(self._engine, "engine_disposed", lambda _: await_only(self.end()))

    def __len__(self) -> int:
        """Return how many connections are idle."""
        return len(self._idle)

    async def fetch(self, statement: Select[Any] | Insert, values: Mapping[str, Any]) -> Fetched:
        """Execute a cached statement and return its rows; an INSERT returns none."""
        if self._engine.dialect.server_version_info is None:
            # Compilation depends on the server's version, which SQLAlchemy reads with its first connection.
            await greenlet_spawn(lambda: self._engine.connect().close())
        compiled = compile_statement(statement, self._engine.dialect)
        parameters = compiled.parameters(values)
        async with self._free:
            self.lent += 1
            try:
                return Fetched(await self._run(compiled, parameters), compiled.readers)
            finally:
                self.lent -= 1

    async def _run(
        self, statement: CompiledStatement, parameters: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        ended = self._ended  # read before a connection is opened: `end` may be called meanwhile
        driver = await self._ready()
        limit, is_sound = None, True
        try:
            limit = hold(driver)
            with in_time(self._engine, statement.text, parameters):
                return await run(driver, statement, parameters)
        except BaseException as fault:
            is_sound = isinstance(fault, Exception)
            raise
        finally:
            # A cancel that is still on its way must not hit the next caller's statement.
            was_canceled = release(limit, driver)
            if is_sound and not was_canceled and not driver.closed and ended == self._ended:
                self._idle.append((driver, time.monotonic()))
            else:
                await driver.close()

    async def end(self) -> None:
        """Close the idle connections now, and those in use when they are returned."""
        self._ended += 1
        while self._idle:
            driver, _ = self._idle.pop()
            await driver.close()

    async def _ready(self) -> Driver:
        while self._idle:
            driver, used_at = self._idle.pop()
            if time.monotonic() - used_at < LONGEST_UNASKED or await _is_alive(driver):
                return driver
        return await self._open()

    async def _open(self) -> Driver:
        dialect = self._engine.dialect
        arguments, options = dialect.create_connect_args(self._engine.url)
        driver = await AsyncConnection.connect(*arguments, **options, autocommit=True)
        try:
            await driver.execute(self._settings)
        except BaseException:
            await driver.close()
            raise
        return driver


async def _is_alive(driver: Driver) -> bool:
    """Return whether the server still answers on a connection; close it if not."""
    try:
        await driver.execute(b"SELECT 1")
    except BaseException as fault:
        await driver.close()
        if not isinstance(fault, psycopg.Error):
            raise
        return False
    return True
