"""Many rows in one statement: one JSON parameter on PostgreSQL, one prepared statement over all rows on SQLite.

SQLAlchemy's `executemany` sends PostgreSQL one statement per row, which takes ten times as long as the rows themselves.
Its types also convert each value of each row, although most values repeat.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, Final

import orjson
from sqlalchemy import Table, make_url, text

from db.sql.connections import WriteConnection

_POSTGRESQL: Final = make_url("postgresql+psycopg://").get_dialect()()

_PLAIN: Final = frozenset({str, int, float, bool, bytes, type(None)})
"""The types of values that both drivers take as they are."""

_VALUE: Final = attrgetter("_value_")

Row = Sequence[Any]
"""The values of one row, in the order of the columns passed with it."""


async def update_rows(
    connection: WriteConnection,
    table: Table,
    rows: Sequence[Row],
    *,
    keys: tuple[str, ...],
    columns: tuple[str, ...],
) -> None:
    """Set `columns` of the rows with these `keys`; each row has the values of the columns first, then the keys."""
    if connection.dialect.name == "postgresql":
        statement = _update_in_postgresql(table, keys, columns)
    else:
        statement = _update_in_sqlite(table, keys, columns)
    await _run(connection, statement, (*columns, *keys), rows)


async def insert_rows(
    connection: WriteConnection,
    table: Table,
    rows: Sequence[Row],
    *,
    columns: tuple[str, ...],
    on_conflict: str = "",
) -> None:
    """Insert rows in their order; `on_conflict` is the `ON CONFLICT` clause, which both engines spell alike."""
    if connection.dialect.name == "postgresql":
        statement = _insert_in_postgresql(table, columns, on_conflict)
    else:
        statement = _insert_in_sqlite(table, columns, on_conflict)
    await _run(connection, statement, columns, rows)


async def _run(
    connection: WriteConnection, statement: str, columns: tuple[str, ...], rows: Sequence[Row]
) -> None:
    if not rows:
        return
    in_postgresql = connection.dialect.name == "postgresql"
    texts: dict[datetime, str] = {}  # most rows of a batch have the same few instants

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            if value not in texts:
                texts[value] = _format_instant(value, with_zone=in_postgresql)
            return texts[value]
        return value._value_ if isinstance(value, Enum) else value

    def plain_column(column: tuple[Any, ...]) -> Iterable[Any]:
        types = set(map(type, column))
        if types <= _PLAIN:
            return column
        if len(types) == 1 and issubclass(types.pop(), Enum):
            return map(_VALUE, column)
        return map(plain, column)

    # By column, because most columns need no conversion.
    plain_rows = list(zip(*map(plain_column, zip(*rows, strict=True)), strict=True))
    if in_postgresql:
        records = [dict(zip(columns, row, strict=True)) for row in plain_rows]
        await connection.execute(text(statement), {"rows": orjson.dumps(records).decode()})
    else:
        await connection.exec_driver_sql(statement, plain_rows)


def _format_instant(instant: datetime, *, with_zone: bool) -> str:
    """Return the instant in UTC: as SQLite stores it, or with the zone, so that PostgreSQL reads the same in any session."""
    utc = instant.astimezone(UTC)
    return (utc if with_zone else utc.replace(tzinfo=None)).isoformat(
        sep=" ", timespec="microseconds"
    )


@cache
def _update_in_postgresql(table: Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> str:
    return (
        f"UPDATE {table.name} SET {', '.join(f'{name} = given.{name}' for name in columns)} "
        f"FROM {_recordset(table, (*columns, *keys))} "
        f"WHERE {' AND '.join(f'{table.name}.{name} = given.{name}' for name in keys)}"
    )


@cache
def _update_in_sqlite(table: Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> str:
    return (
        f"UPDATE {table.name} SET {', '.join(f'{name} = ?' for name in columns)} "
        f"WHERE {' AND '.join(f'{name} = ?' for name in keys)}"
    )


@cache
def _insert_in_postgresql(table: Table, columns: tuple[str, ...], on_conflict: str) -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {_recordset(table, columns)} {on_conflict}"


@cache
def _insert_in_sqlite(table: Table, columns: tuple[str, ...], on_conflict: str) -> str:
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places}) {on_conflict}"


def _recordset(table: Table, columns: tuple[str, ...]) -> str:
    typed = ", ".join(f"{name} {table.c[name].type.compile(_POSTGRESQL)}" for name in columns)
    return f"json_to_recordset(CAST(:rows AS json)) AS given({typed})"
