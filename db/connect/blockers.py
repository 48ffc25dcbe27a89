"""Ends sessions of PostgreSQL that stand still inside a transaction while somebody waits for their lock.

A process that is suspended or starved between two statements keeps its row locks. Who has to have a lock at once waits for it
inside `ending_blockers`. SQLite has no sessions that another process could end.
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
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect.single_statement import Alone
from db.connect.unavailable import AWAY, cause

LONGEST_STILL: Final = timedelta(seconds=2)
"""How long a transaction may do nothing while somebody has to have its lock. A process that works needs milliseconds."""

FIRST_LOOK: Final = 0.2
"""Seconds before it is looked who has the lock: nearly always it is free by then."""

PAUSE: Final = 0.2
"""Seconds between two looks."""

LAST_LOOK: Final = 1.0
"""Seconds for which a look that has begun is waited for when the lock was had."""

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
    asked = func.unnest(func.pg_blocking_pids(bindparam("waiting", type_=Integer)))
    blocking = select(asked.label("pid")).cte("blocking", recursive=True)
    blocking = blocking.union(select(func.unnest(func.pg_blocking_pids(blocking.c.pid))))
    still = func.clock_timestamp() - bindparam("longest", type_=Interval)
    return (
        select(_ACTIVITY.c.pid, func.pg_terminate_backend(_ACTIVITY.c.pid))
        .join(blocking, blocking.c.pid == _ACTIVITY.c.pid)
        .where(
            # Our own sessions only: a session of an administrator is not ours to end.
            _ACTIVITY.c.datname == func.current_database(),
            _ACTIVITY.c.usename == literal_column("current_user"),
            _ACTIVITY.c.state.startswith("idle in transaction"),
            _ACTIVITY.c.state_change < still,
        )
    )


_END: Final = _end_statement()


@asynccontextmanager
async def ending_blockers(
    connection: AsyncConnection,
    *,
    longest: timedelta | None = None,
) -> AsyncIterator[None]:
    """Inside the block, end each session that `connection` waits for and that stood still for `longest` (LONGEST_STILL).

    What such a session did is rolled back. Its process finds that out at its next statement (`db.connect.unavailable`).
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    driver: Any = (await connection.get_raw_connection()).driver_connection
    over = asyncio.Event()
    watching = asyncio.create_task(
        _watch(
            Alone(connection.engine),
            driver.info.backend_pid,
            LONGEST_STILL if longest is None else longest,
            over,
        )
    )
    try:
        yield
    finally:
        over.set()
        # A look that has begun ends by itself, and says what it ended.
        await asyncio.wait({watching}, timeout=LAST_LOOK)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _watch(source: Alone, waiting: int, longest: timedelta, over: asyncio.Event) -> None:
    """Look again and again. Raises nothing: who waits has the lock in the end without it."""
    await _pause(FIRST_LOOK, over)
    while not over.is_set():
        try:
            # Not by the pool: those who wait for the lock may have all of its connections.
            ended = await source.fetch(_END, {"waiting": waiting, "longest": longest})
        except AWAY as error:
            _log.warning("sessions that stand still could not be looked for", reason=cause(error))
        except Exception:
            _log.exception("sessions that stand still could not be looked for")
            return
        else:
            for pid, was_ended in ended.rows:
                if was_ended:
                    _log.warning(
                        "a session was ended: it stood still inside a transaction with a lock",
                        pid=pid,
                        seconds=longest.total_seconds(),
                    )
        await _pause(PAUSE, over)


async def _pause(seconds: float, over: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await over.wait()
