"""Which errors mean that the database is unavailable: it cannot be reached, or it ended a connection or a transaction.

Such an error is temporary: the same work may succeed a moment later. Every other database error is a fault of a statement
or of a row, and is never retried here.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import psycopg
import structlog
from sqlalchemy import exc

T = TypeVar("T")

AWAY: Final = (
    # The server, the network or the file: refused, lost, shut down, locked, full. Deadlocks and failed serialization too.
    exc.OperationalError,
    exc.InterfaceError,
    # The state of a session: its transaction was idle for too long, or the server is a standby that only reads.
    exc.InternalError,
    # The pool's timeout: all its connections are in use. This is not a `DBAPIError`.
    exc.TimeoutError,
    # A connection was lost inside a transaction, and another statement followed.
    exc.PendingRollbackError,
    # The driver's own errors, for code that bypasses SQLAlchemy (`db.connect.driver_pool`, notices, procrastinate's pool).
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.InternalError,
)
"""The exceptions that mean that the database is unavailable. For SQLite, `db.connect.engine` maps the driver's errors to them.

A wrong statement (`ProgrammingError`), a wrong value (`DataError`) and a broken constraint (`IntegrityError`) are not in it.
"""

_log = structlog.get_logger(__name__)


async def retry_once(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work`, and once more if the database ended its transaction or its connection.

    `work` opens its own transaction and must be idempotent: if the connection is lost during COMMIT, the first run may have
    been committed. A pool timeout is not retried: the caller has already waited.
    """
    try:
        return await work()
    except exc.TimeoutError:
        raise
    except AWAY as error:
        _log.warning("the database ended a transaction; it is run again", reason=cause(error))
    return await work()


def cause(error: BaseException) -> str:
    """Return the class of an error with its SQLSTATE, for the log; never its text, which may quote a statement or a row."""
    driver = getattr(error, "orig", None) or error
    code = getattr(driver, "sqlstate", None) or getattr(driver, "sqlite_errorname", None)
    return f"{type(driver).__name__} {code}" if code else type(driver).__name__
