"""The database's clock, which all machines share, so that their own clocks may differ."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Interval, func, literal, type_coerce

from db.sql.column_types import Instant
from db.sql.connections import ReadConnection

_IN_SQLITE = "%Y-%m-%d %H:%M:%f000"  # the format of `Instant`; SQLite's clock has milliseconds


def clock(connection: ReadConnection, *, after: timedelta = timedelta()) -> ColumnElement[Any]:
    """Return an expression for the current instant plus `after`, evaluated when the database reaches it."""
    if connection.dialect.name == "sqlite":
        return func.strftime(_IN_SQLITE, "now", _modifier(after), type_=Instant())
    return later(connection, func.clock_timestamp(), after)


def later(connection: ReadConnection, instant: Any, by: timedelta) -> ColumnElement[Any]:
    """Return an expression for `instant`, a column, plus `by`."""
    if connection.dialect.name == "sqlite":
        return func.strftime(_IN_SQLITE, instant, _modifier(by), type_=Instant())
    return type_coerce(instant + literal(by, Interval()), Instant())


def _modifier(by: timedelta) -> str:
    return f"{by.total_seconds():+.3f} seconds"
