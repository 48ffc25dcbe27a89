"""Engines, configured so that SQLite and PostgreSQL behave alike."""

import sqlite3
import time
from functools import partial
from typing import Any, Final

from sqlalchemy import Dialect, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InvalidatePoolError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from db.connect.deadline import keep_time
from db.connect.driver_pool import LONGEST_UNASKED, session_settings
from db.connect.sqlite_threads import open_connection
from db.sql.index_hints import HintingCompiler

SQLITE_PRAGMAS: Final = {
    "journal_mode": "WAL",  # otherwise one writer blocks every reader
    "synchronous": "NORMAL",  # in WAL mode a power cut can lose the last commits, never the file
    "foreign_keys": "ON",  # off by default on each connection
    "busy_timeout": 30_000,  # milliseconds; 0 would make the second writer fail at once
}

SQLITE_OPTIONS: Final = {"async_creator_fn": open_connection}
"""The arguments of a connection to SQLite for SQLAlchemy."""

LARGE_CACHE: Final = 64 * 1024
"""SQLite's page cache in KiB: its default of 2 MiB thrashes while a large import updates its indexes."""

SMALL_CACHE: Final = 8 * 1024
"""The page cache in KiB for work that reads many pages once, which a larger cache would keep for nothing."""

POOLED: Final = 10
"""The most connections of the pool of a server process, opened on demand and kept; further requests wait for one.

Opening a connection to PostgreSQL takes longer than most statements.
"""

KEPT: Final = 5
"""SQLite connections that stay open while idle: each has a cache. Opening one takes a millisecond."""

_USED_AT: Final = "sentlog_used_at"


def make_engine(url: str, *, cache: int, most: int) -> AsyncEngine:
    """Return the engine of a `db.connect.database.Database`, whose arguments these are."""
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_async_engine(
            url,
            pool_size=min(KEPT, most),
            max_overflow=most - min(KEPT, most),
            pool_use_lifo=True,
            connect_args=SQLITE_OPTIONS,
        )
        engine.dialect.statement_compiler = HintingCompiler
        event.listen(engine.sync_engine, "connect", partial(_set_up_sqlite, cache=cache))
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
    return engine


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
    cursor.execute(session_settings("custom"))
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
