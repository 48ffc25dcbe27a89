"""Connections: one engine a database, set up so that both kinds behave alike.

No table and no statement of the log is named here.
"""

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
from db.connect.driver_pool import LONGEST_UNASKED, Drivers
from db.connect.single_statement import keep_drivers
from db.sql.index_hints import HintingCompiler

SQLITE_PRAGMAS: Final = {
    "journal_mode": "WAL",  # otherwise one writer stops every reader
    "synchronous": "NORMAL",  # in WAL mode a power cut can lose the last commits, never the file
    "foreign_keys": "ON",  # off by default, connection by connection
    "busy_timeout": 30_000,  # milliseconds; 0 would make the second writer fail at once
}

LARGE_CACHE: Final = 64 * 1024
"""KiB of SQLite's pages: its own 2 MiB thrash while a large import keeps its indexes."""

SMALL_CACHE: Final = 8 * 1024
"""KiB for whoever reads a great deal once: more pages would be kept, and never looked at again."""

_SESSION: Final = (
    # To compile a statement that is thought to be long takes a tenth of a second, each time; those here are short.
    "SET jit = off",
    # Instants come in UTC then: thousands of them to be moved there take longer than the rest of their rows.
    "SET timezone = 'UTC'",
)

_PLANNED: Final = (*_SESSION, "SET plan_cache_mode = force_custom_plan")
"""The driver prepares a statement that it has seen some times, and PostgreSQL would then plan it without its values: the same
plan for a common word as for a rare one, which reads the whole log."""

_PLANNED_ONCE: Final = (*_SESSION, "SET plan_cache_mode = force_generic_plan")
"""Whichever the keys are, their rows are found by the same index; to plan that takes longer than to do it."""

POOLED: Final = 10
"""Connections of a server process to PostgreSQL, opened as they are wanted and kept: to open one takes longer than most of what
is asked by it, and where more ask at once than a pool keeps, each would open its own. Requests wait for one in their turn."""

KEPT: Final = 5
"""Connections to SQLite that stay open when nobody uses them: each keeps a cache. Opening one takes a millisecond."""

ALONE: Final = 10
"""Connections beside those for searches that are one statement."""

KEYED: Final = 10
"""And for statements that find rows by keys: none of them takes a millisecond."""

_WRITES: Final = "sentlog_writes"
_AFTER_COMMIT: Final = "sentlog_after_commit"
_USED_AT: Final = "sentlog_used_at"


def make_engine(url: str, *, cache: int = LARGE_CACHE, most: int = POOLED) -> AsyncEngine:
    """An engine for `url` (`sqlite+aiosqlite:///FILE` or `postgresql+psycopg://…`); dispose of it when done.

    `cache` is how many KiB of pages a connection to SQLite keeps. `most` is how many connections the pool opens at most: a
    process that works needs one for each job that may wait for one at the same time (`server.process.background.connections_of`).
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
    # In a transaction is who writes, or wants one moment, and says so: those who only read are more. Where each statement
    # stands alone there is nothing to roll back.
    # No pool_pre_ping: it asks before each use, and the answer takes as long as a small statement's.
    # Last in, first out: a connection that was used a moment ago has its statements prepared, and its tables at hand.
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_size=most,
        max_overflow=0,
        pool_use_lifo=True,
    )
    event.listen(engine.sync_engine, "connect", _set_up_postgresql)
    event.listen(engine.sync_engine, "checkout", partial(_ask_the_idle, engine.dialect))
    event.listen(engine.sync_engine, "checkin", _note_the_time)
    keep_time(engine)
    keep_drivers(
        engine,
        alone=Drivers(engine, most=ALONE, settings=_PLANNED),
        keyed=Drivers(engine, most=KEYED, settings=_PLANNED_ONCE),
    )
    return engine


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection to read with, whose statements see one moment on SQLite and each its own on PostgreSQL.

    It is in no transaction on PostgreSQL: to begin and to end one is to wait for the server twice more. What belongs to a
    transaction (a lock, SET LOCAL) is for `snapshot` or `writing`.
    """
    async with engine.connect() as connection:
        yield connection


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection that only reads, and all of whose statements see one moment: that of the first."""
    async with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        yield connection


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction that commits at the end of the block and is rolled back by an exception."""
    async with engine.connect() as connection, begin_writing(connection):
        yield connection


@asynccontextmanager
async def begin_writing(connection: AsyncConnection) -> AsyncIterator[None]:
    """A transaction on a connection that is held longer than it; on SQLite it takes the write lock at its beginning.

    A SQLite transaction that first reads and then writes fails at once when another wrote in between, whatever the
    busy timeout: so a writer says so before its first statement.
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
    for told in connection.engine.get_execution_options().get(_AFTER_COMMIT, ()):
        told()


@contextmanager
def after_commits(engine: AsyncEngine, told: Callable[[], None]) -> Iterator[None]:
    """Inside the block, call `told` after each transaction that was begun by this module on `engine` and committed."""
    before = engine.get_execution_options().get(_AFTER_COMMIT, ())
    engine.update_execution_options(**{_AFTER_COMMIT: (*before, told)})
    try:
        yield
    finally:
        engine.update_execution_options(**{_AFTER_COMMIT: before})


def _set_up_sqlite(connection: Any, record: Any, *, cache: int) -> None:
    connection.isolation_level = (
        None  # BEGIN is ours: the driver's own would come too late, and never before a SELECT
    )
    cursor = connection.cursor()
    for name, value in {**SQLITE_PRAGMAS, "cache_size": -cache}.items():
        cursor.execute(f"PRAGMA {name} = {value}")
    cursor.close()


def _sort_sqlite_error(context: ExceptionContext) -> None:
    """Raise an error of SQLite as the kind that PostgreSQL's driver has for it, so that `db.connect.unavailable` holds for both.

    `sqlite3.OperationalError` is a wrong statement as well as a locked file; a broken file is a bare `DatabaseError`.
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
    connection.commit()  # a SET is undone with its transaction


def _note_the_time(connection: Any, record: Any) -> None:
    record.info[_USED_AT] = time.monotonic()


def _ask_the_idle(dialect: Dialect, connection: Any, record: Any, proxy: Any) -> None:
    """Have the pool replace a connection that has died while nobody used it: after a restart of the server, all have."""
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
