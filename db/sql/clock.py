"""The database's clock, which all machines share, so that their own clocks may differ."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Interval, case, func, literal, type_coerce

from db.sql.column_types import Instant
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.upsert import insert_into

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


async def advance(
    connection: WriteConnection, instant: Column[Any], key: str, *, by: timedelta, most: timedelta
) -> tuple[datetime, datetime] | None:
    """Move `instant` in the row of its table with `key` on by `by`, from now if it has passed (GCRA, a leaky bucket).

    Returns the new instant, and the present one. Changes nothing and returns None if it is more than `most` from now.
    """
    table, now, new = instant.table, clock(connection), clock(connection, after=by)
    (key_column,) = table.primary_key
    moved = case((instant > now, later(connection, instant, by)), else_=new)
    statement = (
        insert_into(connection, table)
        .values({key_column: key, instant: new})
        .on_conflict_do_update(
            index_elements=[key_column],
            set_={instant.name: moved},
            where=instant <= clock(connection, after=most),
        )
        .returning(instant, clock(connection))
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else (row[0], row[1])


def _modifier(by: timedelta) -> str:
    return f"{by.total_seconds():+.3f} seconds"
