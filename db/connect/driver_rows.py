"""Rows of a statement as the driver returns them, for pages of thousands of rows.

SQLAlchemy makes an object of each row and converts each value at once. Here a row is a tuple, and comes with the
functions that convert its values when they are used.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

import psycopg
from sqlalchemy import Connection, Dialect, Insert, Select
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import await_only

from db.connect.deadline import in_time
from db.sql.column_types import Instant
from db.sql.connections import ReadConnection
from db.sql.rows import Reader

MOST_STATEMENTS: Final = 500
"""Size of the cache of compiled statements; all searches together need some dozens."""


class Fetched(NamedTuple):
    """The rows of a statement in its order, and the function that converts each column; None for one that needs none."""

    rows: Sequence[Sequence[Any]]
    readers: tuple[Reader | None, ...]


def read_already(rows: Sequence[Sequence[Any]]) -> Fetched:
    """Return rows whose values need no conversion as `Fetched`."""
    return Fetched(rows, ())


async def fetch(
    connection: ReadConnection, statement: Select[Any], values: Mapping[str, Any]
) -> Fetched:
    """Return the rows of a cached statement with these values. `connection` must be one that only reads."""
    return await connection.run_sync(_fetch, statement, values)


def _fetch(connection: Connection, statement: Select[Any], values: Mapping[str, Any]) -> Fetched:
    if connection.dialect.name != "postgresql":
        result = connection.execute(statement, values)
        return read_already(cast(Sequence[Sequence[Any]], result.all()))
    compiled = compile_statement(statement, connection.dialect)
    parameters = compiled.parameters(values)
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    with in_time(connection, compiled.text, parameters):
        try:
            rows = await_only(run(driver, compiled, parameters))
        except BaseException as fault:
            if driver.closed or not isinstance(fault, Exception):
                # Otherwise the pool gives the broken connection to another caller.
                connection.invalidate(fault)
            raise
    return Fetched(rows, compiled.readers)


class CompiledStatement(NamedTuple):
    """A statement as the driver executes it, and the functions that convert its parameters and its rows."""

    text: str
    names: Sequence[str]
    constants: Mapping[str, Any]
    """The values that are part of the statement, by the names that SQLAlchemy gave them."""
    writers: Mapping[str, Reader]
    readers: tuple[Reader | None, ...]

    def parameters(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters for the driver. Raises `KeyError` if a value is missing."""
        parameters = {**self.constants, **{name: values[name] for name in self.names}}
        for name, write in self.writers.items():
            parameters[name] = write(parameters[name])
        return parameters


async def run(
    driver: psycopg.AsyncConnection[Any],
    statement: CompiledStatement,
    parameters: Mapping[str, Any],
) -> Sequence[Sequence[Any]]:
    """Execute a statement and return its rows; an INSERT returns none."""
    # Binary, because parsing numbers and instants from text takes half as long again.
    cursor = driver.cursor(binary=True)
    await cursor.execute(statement.text.encode(), parameters)
    return await cursor.fetchall() if statement.readers else []


@lru_cache(MOST_STATEMENTS)
def compile_statement(statement: Select[Any] | Insert, dialect: Dialect) -> CompiledStatement:
    """Compile a cached statement for the driver."""
    compiled = statement.compile(dialect=dialect)
    columns = statement.selected_columns if isinstance(statement, Select) else ()
    # `params` has only the parameters in the text; `binds` also has those that were rendered as literals.
    parameters = {name: compiled.binds[name] for name in compiled.params}
    writers = {
        name: parameter.type.dialect_impl(dialect).bind_processor(dialect)
        for name, parameter in parameters.items()
    }
    return CompiledStatement(
        compiled.string,
        tuple(name for name, parameter in parameters.items() if not parameter.unique),
        {name: parameter.value for name, parameter in parameters.items() if parameter.unique},
        {name: write for name, write in writers.items() if write is not None},
        tuple(_reader(column.type, dialect) for column in columns),
    )


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Reader | None:
    # The driver returns instants in UTC already, because `db.connect.engine` sets the session's time zone.
    if isinstance(kind, Instant):
        return None
    return kind.dialect_impl(dialect).result_processor(dialect, None)
