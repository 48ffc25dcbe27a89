"""Single statements: each uses a connection only until its rows are there.

Statements that need one snapshot use `Database.snapshot`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Dialect, Insert, Select
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.driver_pool import DriverPool, Plan, session_settings
from db.connect.driver_rows import Fetched, fetch
from db.sql.connections import ReadConnection
from db.sql.rows import read_by

MOST: Final = 10
"""The most connections for the statements of each plan, beside those of the engine; most statements take less than a millisecond."""


class SingleStatements:
    """Runs single statements on a database, with one kind of plan; SQLite uses the connections of the engine."""

    def __init__(self, engine: AsyncEngine, *, plan: Plan) -> None:
        self._engine = engine
        self._pool: DriverPool | None = None
        if engine.dialect.name == "postgresql":
            self._pool = DriverPool(engine, most=MOST, settings=session_settings(plan))

    @property
    def dialect(self) -> Dialect:
        """The dialect of the database."""
        return self._engine.dialect

    @property
    def lent(self) -> int:
        """How many connections are in use; 0 on SQLite."""
        return 0 if self._pool is None else self._pool.lent

    async def fetch(self, statement: Select[Any] | Insert, values: Mapping[str, Any]) -> Fetched:
        """Return the rows of a statement. On PostgreSQL an INSERT is committed, and returns none."""
        if self._pool is not None:
            return await self._pool.fetch(statement, values)
        assert isinstance(statement, Select), "SQLite writes in a transaction"
        async with self._engine.connect() as connection:
            return await fetch(ReadConnection(connection), statement, values)


Source = ReadConnection | SingleStatements
"""Where rows are read from: an open connection, or one that is taken for each statement."""


async def fetch_from(source: Source, statement: Select[Any], values: Mapping[str, Any]) -> Fetched:
    """Return the rows of a cached statement with these values."""
    if isinstance(source, SingleStatements):
        return await source.fetch(statement, values)
    return await fetch(source, statement, values)


async def rows_of(
    source: Source, statement: Select[Any], values: Mapping[str, Any]
) -> Sequence[Sequence[Any]]:
    """Return the rows of a cached statement with their values converted; for few rows."""
    fetched = await fetch_from(source, statement, values)
    return read_by(fetched.readers, fetched.rows)
