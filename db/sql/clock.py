"""The database's own clock: all machines agree on it, whatever theirs say."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Interval, func, literal, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from db.sql.column_types import Instant

_IN_SQLITE = "%Y-%m-%d %H:%M:%f000"  # as `Instant` is kept there; its clock knows milliseconds


def clock(connection: AsyncConnection, *, after: timedelta = timedelta()) -> ColumnElement[Any]:
    """The present instant, or one that is later by `after`, as the database sees it when it comes to it."""
    if connection.dialect.name == "sqlite":
        return func.strftime(_IN_SQLITE, "now", _modifier(after), type_=Instant())
    return later(connection, func.clock_timestamp(), after)


def later(connection: AsyncConnection, instant: Any, by: timedelta) -> ColumnElement[Any]:
    """An instant in a column, moved on."""
    if connection.dialect.name == "sqlite":
        return func.strftime(_IN_SQLITE, instant, _modifier(by), type_=Instant())
    return type_coerce(instant + literal(by, Interval()), Instant())


def _modifier(by: timedelta) -> str:
    return f"{by.total_seconds():+.3f} seconds"
