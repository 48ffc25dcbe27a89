"""Ends PostgreSQL sessions that are idle inside a transaction while another session waits for their lock.

A process that is suspended or starved between two statements keeps its row locks. Work that must not wait for it acquires
the lock inside `ending_blockers`. On SQLite no process can end the session of another.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import (
    DateTime,
    Integer,
    Interval,
    Text,
    bindparam,
    column,
    func,
    literal_column,
    select,
    table,
)

from db.connect.database import Database
from db.connect.single_statement import SingleStatements
from db.connect.unavailable import AWAY, cause
from db.sql.connections import WriteConnection

LONGEST_STILL: Final = timedelta(seconds=2)
"""How long a transaction may be idle while another session waits for its lock. A healthy process needs milliseconds."""

FIRST_LOOK: Final = 0.2
"""Seconds before the first look for the blocker: nearly always the lock is free by then."""

PAUSE: Final = 0.2
"""Seconds between two looks."""

LAST_LOOK: Final = 1.0
"""Timeout in seconds for a look that is still running when the lock is acquired."""

_ACTIVITY: Final = table(
    "pg_stat_activity",
    column("pid", Integer),
    column("datname", Text),
    column("usename", Text),
    column("state", Text),
    column("state_change", DateTime(timezone=True)),
)

_log = structlog.get_logger(__name__)


def _end_statement() -> Any:
    # A waiter may queue behind another waiter: the session that holds the lock is at the end of the queue.
    direct = func.unnest(func.pg_blocking_pids(bindparam("waiting", type_=Integer)))
    blocking = select(direct.label("pid")).cte("blocking", recursive=True)
    blocking = blocking.union(select(func.unnest(func.pg_blocking_pids(blocking.c.pid))))
    still = func.clock_timestamp() - bindparam("longest", type_=Interval)
    return (
        select(_ACTIVITY.c.pid, func.pg_terminate_backend(_ACTIVITY.c.pid))
        .join(blocking, blocking.c.pid == _ACTIVITY.c.pid)
        .where(
            # Only sessions of this user and database, never one of an administrator.
            _ACTIVITY.c.datname == func.current_database(),
            _ACTIVITY.c.usename == literal_column("current_user"),
            _ACTIVITY.c.state.startswith("idle in transaction"),
            _ACTIVITY.c.state_change < still,
        )
    )


_END: Final = _end_statement()


@asynccontextmanager
async def ending_blockers(
    connection: WriteConnection,
    database: Database,
    *,
    longest: timedelta | None = None,
) -> AsyncIterator[None]:
    """Inside the block, end each session that blocks `connection` and is idle for `longest` (default: LONGEST_STILL).

    PostgreSQL rolls back the work of such a session. Its process gets an error of `db.connect.unavailable` at its next
    statement.
    """
    if not database.is_postgresql:
        yield
        return
    driver: Any = (await connection.get_raw_connection()).driver_connection
    over = asyncio.Event()
    watching = asyncio.create_task(
        _watch(
            database.custom,
            driver.info.backend_pid,
            LONGEST_STILL if longest is None else longest,
            over,
        )
    )
    try:
        yield
    finally:
        over.set()
        # Let a running look finish, so that it logs the sessions that it ended.
        await asyncio.wait({watching}, timeout=LAST_LOOK)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _watch(
    source: SingleStatements, waiting: int, longest: timedelta, over: asyncio.Event
) -> None:
    """Look for blockers until `over` is set. Raises nothing, because the waiter gets the lock in the end without it."""
    await _pause(FIRST_LOOK, over)
    while not over.is_set():
        try:
            # Not from the engine's pool: sessions that wait for the lock may use all of its connections.
            ended = await source.fetch(_END, {"waiting": waiting, "longest": longest})
        except AWAY as error:
            _log.warning("looking for idle sessions failed", reason=cause(error))
        except Exception:
            _log.exception("looking for idle sessions failed")
            return
        else:
            for pid, was_ended in ended.rows:
                if was_ended:
                    _log.warning(
                        "ended a session that was idle in a transaction with a lock",
                        pid=pid,
                        seconds=longest.total_seconds(),
                    )
        await _pause(PAUSE, over)


async def _pause(seconds: float, over: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await over.wait()
