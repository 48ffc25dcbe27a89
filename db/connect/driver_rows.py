"""Rows of a statement as the driver has them, for pages of thousands.

SQLAlchemy makes an object of each row, and calls a function for each value that is kept otherwise than it is shown. Here a
row is a tuple, and how a value is read is told beside it, for whoever looks at it. What is read is not said here.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

import psycopg
from sqlalchemy import Connection, Dialect, Insert, Select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import await_only

from db.connect.deadline import in_time
from db.sql.column_types import Instant
from db.sql.rows import Reader

MOST_STATEMENTS: Final = 500
"""Statements whose text is kept; all searches together make some dozens of them."""


class Fetched(NamedTuple):
    """Rows in the order of the statement, and how each of its columns is read: None where the value is as it should be."""

    rows: Sequence[Sequence[Any]]
    readers: tuple[Reader | None, ...]


def read_already(rows: Sequence[Sequence[Any]]) -> Fetched:
    """The same of rows whose values are as they should be."""
    return Fetched(rows, ())


async def fetch(
    connection: AsyncConnection, statement: Select[Any], values: Mapping[str, Any]
) -> Fetched:
    """The rows of a statement that is kept and asked with other values each time. `connection` is one that only reads."""
    return await connection.run_sync(_fetch_aside, statement, values)


def _fetch_aside(
    connection: Connection, statement: Select[Any], values: Mapping[str, Any]
) -> Fetched:
    if connection.dialect.name != "postgresql":
        result = connection.execute(statement, values)
        return read_already(cast(Sequence[Sequence[Any]], result.all()))
    told = spelled(statement, connection.dialect)
    given = told.given(values)
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    with in_time(connection, told.text, given):
        try:
            rows = await_only(run(driver, told, given))
        except BaseException as fault:
            if driver.closed or not isinstance(fault, Exception):
                # The pool would give it to the next one, who has done nothing.
                connection.invalidate(fault)
            raise
    return Fetched(rows, told.readers)


class Spelled(NamedTuple):
    """A statement in the words of the driver, and how its values are written and read."""

    text: str
    names: Sequence[str]
    constants: Mapping[str, Any]
    """What it says itself, under names that SQLAlchemy has given."""
    writers: Mapping[str, Reader]
    readers: tuple[Reader | None, ...]

    def given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the parameters, as the driver takes them. Raises `KeyError` where one is missing."""
        given = {**self.constants, **{name: values[name] for name in self.names}}
        for name, write in self.writers.items():
            given[name] = write(given[name])
        return given


async def run(
    driver: psycopg.AsyncConnection[Any], spelled: Spelled, given: Mapping[str, Any]
) -> Sequence[Sequence[Any]]:
    """The rows that the driver has of a statement; of one that writes, none."""
    # Binary: to read numbers and instants that are spelled out takes half as long again.
    cursor = driver.cursor(binary=True)
    await cursor.execute(spelled.text.encode(), given)
    return await cursor.fetchall() if spelled.readers else []


@lru_cache(MOST_STATEMENTS)
def spelled(statement: Select[Any] | Insert, dialect: Dialect) -> Spelled:
    """A statement that is kept, as the driver is asked it."""
    compiled = statement.compile(dialect=dialect)
    columns = statement.selected_columns if isinstance(statement, Select) else ()
    # What the text names, and no more: a parameter that was rendered in its place is none.
    parameters = {name: compiled.binds[name] for name in compiled.params}
    writers = {
        name: parameter.type.dialect_impl(dialect).bind_processor(dialect)
        for name, parameter in parameters.items()
    }
    return Spelled(
        compiled.string,
        tuple(name for name, parameter in parameters.items() if not parameter.unique),
        {name: parameter.value for name, parameter in parameters.items() if parameter.unique},
        {name: write for name, write in writers.items() if write is not None},
        tuple(_reader(column.type, dialect) for column in columns),
    )


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Reader | None:
    # Instants come in UTC, as `db.connect.engine` has told the server.
    if isinstance(kind, Instant):
        return None
    return kind.dialect_impl(dialect).result_processor(dialect, None)
