"""Tells whoever waits in this process that something changed, whichever process on whichever machine changed it.

A notice says only that there may be news of a subject, never what: who gets one reads. So a notice too many does no
harm; and so that none is missed, everybody gets one whenever this process may not have heard for a while.

    PostgreSQL   one connection that LISTENs; `db.dispatch.changes` notifies in the transaction of the change
    SQLite       the commits of this process, and a look once a second at whether another one wrote
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from db.connect.engine import after_commits
from db.connect.unavailable import AWAY, cause

CHANNEL: Final = "sentlog"
"""Where PostgreSQL's notices go; each names its subject by the id that clients have, `message.7`."""

PAUSE: Final = 1.0
"""Seconds between two looks at a SQLite file, and before a lost connection is opened anew."""

_KEEPALIVE: Final = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""A connection that only listens never notices by itself that the other side is gone: it is asked after half a minute."""

_log = structlog.get_logger(__name__)


class Watch:
    """Somebody who waits for news of one subject."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    async def changed(self) -> None:
        """Wait until there may be news since the last call. What came in between is not lost: then it returns at once."""
        await self._news.wait()
        self._news.clear()

    def ring(self) -> None:
        """Say that there may be news."""
        self._news.set()


class Notices:
    """The notices that reach this process, while it is `listening`."""

    def __init__(
        self, engine: AsyncEngine, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._engine = engine
        self._sleep = sleep
        self._watches: dict[str, set[Watch]] = {}

    @property
    def watches(self) -> int:
        """How many wait."""
        return sum(map(len, self._watches.values()))

    @contextmanager
    def watch(self, subject: str) -> Iterator[Watch]:
        """Wait for news of `subject` inside the block. Read its state after this began, or what came before is missed."""
        watch = Watch()
        self._watches.setdefault(subject, set()).add(watch)
        try:
            yield watch
        finally:
            self._watches[subject].discard(watch)
            if not self._watches[subject]:
                del self._watches[subject]

    def ring(self, subject: str) -> None:
        """Say that there may be news of `subject`."""
        for watch in self._watches.get(subject, ()):
            watch.ring()

    def ring_all(self) -> None:
        """Say that there may be news of everything."""
        for subject in self._watches:
            self.ring(subject)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Hear of changes inside the block; the connection for it is opened, and opened anew, beside it."""
        ear = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            ear.cancel()
            with suppress(asyncio.CancelledError):
                await ear

    async def _listen(self) -> None:
        # Beside the pool: it is held for as long as the process lives.
        is_postgres = self._engine.dialect.name == "postgresql"
        engine = create_async_engine(
            self._engine.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args=_KEEPALIVE if is_postgres else {},
        )
        while True:
            try:
                async with engine.connect() as connection:
                    await (self._hear if is_postgres else self._look)(connection)
            except AWAY as error:
                _log.warning("notices do not come through", reason=cause(error))
            except Exception:
                # Not the database's absence but a fault of ours: without this task, nobody would hear of changes any more.
                _log.exception("notices do not come through")
            await self._sleep(PAUSE)

    async def _hear(self, connection: AsyncConnection) -> None:
        await connection.execute(text(f"LISTEN {CHANNEL}"))
        self.ring_all()
        driver: Any = (await connection.get_raw_connection()).driver_connection
        async with aclosing(driver.notifies()) as notices:
            async for notice in notices:
                self.ring(notice.payload)

    async def _look(self, connection: AsyncConnection) -> None:
        with after_commits(self._engine, self.ring_all):
            seen = None
            while True:
                # Another number whenever any other connection has committed to the file.
                version = (await connection.exec_driver_sql("PRAGMA data_version")).scalar_one()
                if version != seen:
                    self.ring_all()
                seen = version
                await self._sleep(PAUSE)
