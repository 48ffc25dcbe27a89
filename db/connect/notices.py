"""Change notifications: wakes waiters in this process when any process on any machine changed something.

A notice says only that a subject may have changed; the waiter reads the new state. So a superfluous notice does no
harm. When this process may have missed notices, it wakes all waiters.

    PostgreSQL   one connection that LISTENs; `notify` in the transaction of the change
    SQLite       the commits of this process, and a check once a second for commits of others

A `Watch` waits for one subject. A `LogWatch` waits for all messages of a district, and gets their ids: on SQLite those that
this process changes; if another process committed, only that anything may have changed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from db.connect.database import Database, note
from db.connect.engine import SQLITE_OPTIONS
from db.connect.log_watch import LogNotice, LogWatch, parse
from db.connect.unavailable import AWAY, cause
from db.sql.connections import WriteConnection

CHANNEL: Final = "sentlog"
"""The NOTIFY channel of PostgreSQL; the payload is the subject's id in the API, such as `message.7`, or a `LogNotice`."""

PAUSE: Final = 1.0
"""Seconds between two checks of a SQLite file, and before a lost connection is reopened."""

_KEEPALIVE: Final = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""TCP keepalive: a connection that only listens sends nothing, so it would not notice that the server is gone."""

_NOTIFY_ALL: Final = text(
    "SELECT pg_notify(:channel, payload) FROM unnest(CAST(:payloads AS text[])) AS payload"
)

_log = structlog.get_logger(__name__)


async def notify(connection: WriteConnection, subject: str) -> None:
    """Notify all processes that `subject` changed, when the transaction commits; on SQLite each commit does."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_notify(CHANNEL, subject)))


async def notify_of_message(
    connection: WriteConnection,
    message_id: int,
    *,
    district_id: int,
    school_id: int | None,
    revision: int,
) -> None:
    """Notify all processes that a message changed, by itself and as one of its district, when the transaction commits."""
    notice = LogNotice(district_id, school_id, message_id, revision).spell()
    if connection.dialect.name == "postgresql":
        subject = func.pg_notify(CHANNEL, f"message.{message_id}")
        await connection.execute(select(subject, func.pg_notify(CHANNEL, notice)))
    else:
        note(connection, notice)


async def notify_of_new(
    connection: WriteConnection, places: Collection[tuple[int, int | None]]
) -> None:
    """Notify all processes that messages were added for these districts and schools, when the transaction commits."""
    notices = [LogNotice(district_id, school_id).spell() for district_id, school_id in places]
    if connection.dialect.name == "postgresql":
        await connection.execute(_NOTIFY_ALL, {"channel": CHANNEL, "payloads": notices})
    else:
        for notice in notices:
            note(connection, notice)


class Watch:
    """A waiter for changes of one subject."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    async def changed(self) -> None:
        """Wait until the subject may have changed since the last call. Returns at once if it did in between."""
        await self._news.wait()
        self._news.clear()

    def ring(self) -> None:
        """Wake the waiter."""
        self._news.set()


class Notices:
    """The waiters of this process, and what wakes them while it is `listening`."""

    def __init__(
        self, database: Database, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._database = database
        self._sleep = sleep
        self._watches: dict[str, set[Watch]] = {}
        self._log_watches: dict[int, set[LogWatch]] = {}

    @property
    def watches(self) -> int:
        """The number of waiters."""
        of_subjects = sum(map(len, self._watches.values()))
        return of_subjects + sum(map(len, self._log_watches.values()))

    @contextmanager
    def watch(self, subject: str) -> Iterator[Watch]:
        """Register a waiter for `subject` inside the block. Read the state inside the block, or changes before it are missed."""
        watch = Watch()
        self._watches.setdefault(subject, set()).add(watch)
        try:
            yield watch
        finally:
            self._watches[subject].discard(watch)
            if not self._watches[subject]:
                del self._watches[subject]

    @contextmanager
    def watch_log(
        self, district_id: int, *, school_ids: Collection[int] | None
    ) -> Iterator[LogWatch]:
        """Register a waiter for the messages of a district, or of some of its schools, inside the block."""
        watch = LogWatch(school_ids)
        self._log_watches.setdefault(district_id, set()).add(watch)
        try:
            yield watch
        finally:
            self._log_watches[district_id].discard(watch)
            if not self._log_watches[district_id]:
                del self._log_watches[district_id]

    def ring(self, subject: str) -> None:
        """Wake the waiters for `subject`, which may be a notice about the log."""
        if (notice := parse(subject)) is not None:
            for log_watch in self._log_watches.get(notice.district_id, ()):
                log_watch.note(notice)
        for watch in self._watches.get(subject, ()):
            watch.ring()

    def ring_all(self) -> None:
        """Wake all waiters, since notices may have been lost."""
        self._ring_subjects()
        for watches in self._log_watches.values():
            for watch in watches:
                watch.miss()

    def _ring_subjects(self) -> None:
        for subject in self._watches:
            self.ring(subject)

    def _ring_each(self, subjects: Sequence[str]) -> None:
        for subject in subjects:
            self.ring(subject)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Receive notices inside the block, in a task that opens its connection and reopens it when it is lost."""
        task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _listen(self) -> None:
        # Not from the pool, because this connection is held for the life of the process.
        is_postgres = self._database.is_postgresql
        engine = create_async_engine(
            self._database.engine.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args=_KEEPALIVE if is_postgres else SQLITE_OPTIONS,
        )
        while True:
            try:
                async with engine.connect() as connection:
                    await (self._receive if is_postgres else self._poll)(connection)
            except AWAY as error:
                _log.warning("listening for changes failed", reason=cause(error))
            except Exception:
                # A fault of ours: go on, because without this task no waiter would be woken any more.
                _log.exception("listening for changes failed")
            await self._sleep(PAUSE)

    async def _receive(self, connection: AsyncConnection) -> None:
        await connection.execute(text(f"LISTEN {CHANNEL}"))
        self.ring_all()
        driver: Any = (await connection.get_raw_connection()).driver_connection
        async with aclosing(driver.notifies()) as notices:
            async for notice in notices:
                self.ring(notice.payload)

    async def _poll(self, connection: AsyncConnection) -> None:
        with (
            self._database.after_commits(self._ring_subjects),
            self._database.after_notes(self._ring_each),
        ):
            last = None
            while True:
                # The number changes whenever another connection has committed to the file.
                version = (await connection.exec_driver_sql("PRAGMA data_version")).scalar_one()
                if version != last:
                    self.ring_all()
                last = version
                await self._sleep(PAUSE)
