"""Engines and connections, configured so that SQLite and PostgreSQL behave alike."""

import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Dialect, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InvalidatePoolError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from db.connect.deadline import keep_time
from db.connect.driver_pool import LONGEST_UNASKED, DriverPool
from db.connect.single_statement import set_driver_pools
from db.sql.index_hints import HintingCompiler

SQLITE_PRAGMAS: Final = {
    "journal_mode": "WAL",  # otherwise one writer blocks every reader
    "synchronous": "NORMAL",  # in WAL mode a power cut can lose the last commits, never the file
    "foreign_keys": "ON",  # off by default on each connection
    "busy_timeout": 30_000,  # milliseconds; 0 would make the second writer fail at once
}

LARGE_CACHE: Final = 64 * 1024
"""SQLite's page cache in KiB: its default of 2 MiB thrashes while a large import updates its indexes."""

SMALL_CACHE: Final = 8 * 1024
"""The page cache in KiB for work that reads many pages once, which a larger cache would keep for nothing."""

_SESSION: Final = (
    # JIT takes a tenth of a second for each statement that the planner expects to be long; ours are short.
    "SET jit = off",
    # Instants then come in UTC: converting thousands of them takes longer than reading the rest of their rows.
    "SET timezone = 'UTC'",
)

_PLANNED: Final = (*_SESSION, "SET plan_cache_mode = force_custom_plan")
"""Plan each execution with its values. The driver prepares repeated statements, and PostgreSQL would then use a generic plan:
the same for a common word as for a rare one, which reads the whole log."""

_PLANNED_ONCE: Final = (*_SESSION, "SET plan_cache_mode = force_generic_plan")
"""Plan once: rows are found by the same index for all keys, and planning takes longer than executing."""

POOLED: Final = 10
"""The most connections of the pool of a server process, opened on demand and kept; further requests wait for one.

Opening a connection to PostgreSQL takes longer than most statements.
"""

KEPT: Final = 5
"""SQLite connections that stay open while idle: each has a cache. Opening one takes a millisecond."""

ALONE: Final = 10
"""The most connections, beside the pool, for searches of a single statement."""

KEYED: Final = 10
"""The most connections, beside the pool, for statements that find rows by keys; each takes less than a millisecond."""

_WRITES: Final = "sentlog_writes"
_AFTER_COMMIT: Final = "sentlog_after_commit"
_USED_AT: Final = "sentlog_used_at"


def make_engine(url: str, *, cache: int = LARGE_CACHE, most: int = POOLED) -> AsyncEngine:
    """Return an engine for `url` (`sqlite+aiosqlite:///FILE` or `postgresql+psycopg://…`); dispose of it when done.

    `cache` is the page cache of a SQLite connection in KiB. `most` is the largest number of connections in the pool: a
    worker needs one for each job that may run at the same time (`server.process.background.connections_of`).
    """
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_async_engine(
            url,
            pool_size=min(KEPT, most),
            max_overflow=most - min(KEPT, most),
            pool_use_lifo=True,
        )
        engine.dialect.statement_compiler = HintingCompiler
        event.listen(engine.sync_engine, "connect", partial(_set_up_sqlite, cache=cache))
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        keep_time(engine)
        event.listen(engine.sync_engine, "handle_error", _sort_sqlite_error)
        return engine
    # AUTOCOMMIT, because most work only reads; `writing` and `snapshot` open transactions. In autocommit there is nothing to
    # roll back.
    # No pool_pre_ping: it checks before each use, which takes as long as a small statement.
    # LIFO: the last used connection has its statements prepared and its caches filled.
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_size=most,
        max_overflow=0,
        pool_use_lifo=True,
    )
    event.listen(engine.sync_engine, "connect", _set_up_postgresql)
    event.listen(engine.sync_engine, "checkout", partial(_check_idle, engine.dialect))
    event.listen(engine.sync_engine, "checkin", _record_use)
    keep_time(engine)
    set_driver_pools(
        engine,
        alone=DriverPool(engine, most=ALONE, settings=_PLANNED),
        keyed=DriverPool(engine, most=KEYED, settings=_PLANNED_ONCE),
    )
    return engine


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open a connection for reading.

    On SQLite all statements share one snapshot; on PostgreSQL each statement has its own (autocommit), because a
    transaction costs two more round trips. For a lock or SET LOCAL use `snapshot` or `writing`.
    """
    async with engine.connect() as connection:
        yield connection


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open a read-only connection whose statements all share the snapshot of the first."""
    async with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        yield connection


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open a connection in a transaction that commits at the end of the block and rolls back on an exception."""
    async with engine.connect() as connection, begin_writing(connection):
        yield connection


@asynccontextmanager
async def begin_writing(connection: AsyncConnection) -> AsyncIterator[None]:
    """Run a transaction on an open connection; on SQLite it acquires the write lock at its start.

    A SQLite transaction that reads first and writes later fails at once if another connection wrote in between, whatever
    the busy timeout.
    """
    options: dict[str, Any] = {_WRITES: True}
    if connection.dialect.name == "postgresql":
        options["isolation_level"] = "READ COMMITTED"
    await connection.execution_options(**options)
    try:
        async with connection.begin():
            yield
    finally:
        await connection.execution_options(**{_WRITES: False})
    for callback in connection.engine.get_execution_options().get(_AFTER_COMMIT, ()):
        callback()


@contextmanager
def after_commits(engine: AsyncEngine, callback: Callable[[], None]) -> Iterator[None]:
    """Inside the block, call `callback` after each commit of a transaction of `begin_writing` on `engine`."""
    before = engine.get_execution_options().get(_AFTER_COMMIT, ())
    engine.update_execution_options(**{_AFTER_COMMIT: (*before, callback)})
    try:
        yield
    finally:
        engine.update_execution_options(**{_AFTER_COMMIT: before})


def _set_up_sqlite(connection: Any, record: Any, *, cache: int) -> None:
    connection.isolation_level = None  # we send BEGIN ourselves: the driver sends it before the first write, never before a SELECT
    cursor = connection.cursor()
    for name, value in {**SQLITE_PRAGMAS, "cache_size": -cache}.items():
        cursor.execute(f"PRAGMA {name} = {value}")
    cursor.close()


def _sort_sqlite_error(context: ExceptionContext) -> None:
    """Raise an error of SQLite as the class that PostgreSQL's driver uses, so that `db.connect.unavailable` fits both.

    SQLite raises `OperationalError` for a wrong statement and for a locked file, and `DatabaseError` for a broken file.
    """
    error = context.original_exception
    if not isinstance(error, sqlite3.DatabaseError):
        return
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, sqlite3.OperationalError) and code == sqlite3.SQLITE_ERROR:
        raise ProgrammingError(context.statement, context.parameters, error) from error
    if type(error) is sqlite3.DatabaseError:
        raise OperationalError(context.statement, context.parameters, error) from error


def _set_up_postgresql(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("; ".join(_PLANNED))
    cursor.close()
    connection.commit()  # a rollback would undo the SET


def _record_use(connection: Any, record: Any) -> None:
    record.info[_USED_AT] = time.monotonic()


def _check_idle(dialect: Dialect, connection: Any, record: Any, proxy: Any) -> None:
    """Check an idle connection and let the pool replace a dead one: after a restart of the server, all are dead."""
    used_at = record.info.get(_USED_AT)
    if used_at is None or time.monotonic() - used_at < LONGEST_UNASKED:
        return
    try:
        dialect.do_ping(connection)
    except Exception as fault:
        raise InvalidatePoolError() from fault


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
