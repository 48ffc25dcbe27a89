"""A database: connections to read and to write, single statements, and work after commits.

`db.connect.engine` configures the connections, so that SQLite and PostgreSQL behave alike.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Insert, event

from db.connect.engine import LARGE_CACHE, POOLED, make_engine
from db.connect.single_statement import SingleStatements
from db.connect.sqlite_threads import threads_ended
from db.sql.connections import ReadConnection, WriteConnection

_NOTES: Final = "sentlog notes"
"""The key of a connection's `info` under which its transaction has its notes."""


def note(connection: WriteConnection, text: str) -> None:
    """Have the callbacks of `Database.after_notes` called with `text`, if the transaction commits."""
    connection.info.setdefault(_NOTES, []).append(text)


class Database:
    """The connections of this process to one database, opened on demand; `dispose` closes them."""

    def __init__(self, url: str, *, cache: int = LARGE_CACHE, most: int = POOLED) -> None:
        """Take the database at `url`: `sqlite+aiosqlite:///FILE` or `postgresql+psycopg://…`.

        `cache` is the page cache of a SQLite connection in KiB. `most` is the largest number of connections in the pool: a
        worker needs one for each job that may run at the same time (`server.process.background.connections_of`).
        """
        self.engine = make_engine(url, cache=cache, most=most)
        self.is_postgresql = self.engine.dialect.name == "postgresql"
        self.custom = SingleStatements(self.engine, plan="custom")
        """Single statements that PostgreSQL plans for their values, as a search needs."""
        self.generic = SingleStatements(self.engine, plan="generic")
        """Single statements that find rows by keys: one plan is right for all values."""
        self._after_commit: tuple[Callable[[], None], ...] = ()
        self._after_notes: tuple[Callable[[Sequence[str]], None], ...] = ()
        self._writers: set[Connection | None] = set()
        if not self.is_postgresql:
            event.listen(self.engine.sync_engine, "begin", self._begin_sqlite)

    async def dispose(self) -> None:
        """Close all connections. On SQLite their threads have ended then."""
        await self.engine.dispose()
        await threads_ended()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[ReadConnection]:
        """Open a connection for reading.

        On SQLite all statements share one snapshot; on PostgreSQL each statement has its own (autocommit), because a
        transaction costs two more round trips. For a lock or SET LOCAL use `snapshot` or `writing`.
        """
        async with self.engine.connect() as connection:
            yield ReadConnection(connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[ReadConnection]:
        """Open a read-only connection whose statements all share the snapshot of the first."""
        async with self.reading() as connection:
            if self.is_postgresql:
                await connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[WriteConnection]:
        """Open a connection in a transaction that commits at the end of the block and rolls back on an exception."""
        async with self.reading() as connection, self.begin_writing(connection) as writable:
            yield writable

    @asynccontextmanager
    async def begin_writing(self, connection: ReadConnection) -> AsyncIterator[WriteConnection]:
        """Run a transaction on an open connection; on SQLite it acquires the write lock at its start.

        A SQLite transaction that reads first and writes later fails at once if another connection wrote in between, whatever
        the busy timeout.
        """
        if self.is_postgresql:
            await connection.execution_options(isolation_level="READ COMMITTED")
        self._writers.add(connection.sync_connection)
        try:
            async with connection.begin():
                connection.info.pop(_NOTES, None)  # of a transaction that failed
                yield WriteConnection(connection)
        finally:
            self._writers.discard(connection.sync_connection)
        if notes := connection.info.pop(_NOTES, None):
            for take in self._after_notes:
                take(notes)
        for callback in self._after_commit:
            callback()

    async def write_row(self, statement: Insert, values: Mapping[str, Any]) -> None:
        """Insert one row and commit; on PostgreSQL this is a single statement."""
        if self.is_postgresql:
            await self.generic.fetch(statement, values)
        else:
            async with self.writing() as connection:
                await connection.execute(statement, values)

    @contextmanager
    def after_commits(self, callback: Callable[[], None]) -> Iterator[None]:
        """Inside the block, call `callback` after each commit of a transaction of `begin_writing`."""
        before = self._after_commit
        self._after_commit = (*before, callback)
        try:
            yield
        finally:
            self._after_commit = before

    @contextmanager
    def after_notes(self, callback: Callable[[Sequence[str]], None]) -> Iterator[None]:
        """Inside the block, call `callback` with the notes of each transaction that commits and has some (`note`)."""
        before = self._after_notes
        self._after_notes = (*before, callback)
        try:
            yield
        finally:
            self._after_notes = before

    def _begin_sqlite(self, connection: Connection) -> None:
        writes = connection in self._writers
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
