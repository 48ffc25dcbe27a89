"""Statements that stand alone: each has a connection for itself, and only until its rows are there.

Those that find rows by keys are written once, and on PostgreSQL planned once. What belongs together in one moment is read in
`db.connect.engine.reading`. Which rows are found is not said here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy import Dialect, Insert, Select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.connect.driver_pool import Drivers
from db.connect.driver_rows import Fetched, fetch
from db.sql.rows import read_by

_ALONE: Final = "sentlog_alone"
_KEYED: Final = "sentlog_keyed"


class Alone:
    """The connections of a database; on PostgreSQL a statement is planned for its values, as that of a search has to be."""

    _kept_as: ClassVar[str] = _ALONE

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._drivers: Drivers | None = engine.get_execution_options().get(self._kept_as)

    @property
    def dialect(self) -> Dialect:
        """Of the database, as that of a connection."""
        return self._engine.dialect

    @property
    def commits(self) -> bool:
        """Whether what one statement writes stands when it is done; on SQLite a writer has to say so beforehand."""
        return self._drivers is not None

    @property
    def lent(self) -> int:
        """How many connections somebody has; 0 on SQLite, where they are the engine's."""
        return 0 if self._drivers is None else self._drivers.lent

    async def fetch(self, statement: Select[Any], values: Mapping[str, Any]) -> Fetched:
        """The rows of a statement."""
        if self._drivers is not None:
            return await self._drivers.fetch(statement, values)
        async with self._engine.connect() as connection:
            return await fetch(connection, statement, values)

    async def write(self, statement: Insert, values: Mapping[str, Any]) -> None:
        """Write one row with one statement. Only where it `commits`."""
        assert self._drivers is not None
        await self._drivers.fetch(statement, values)


class Keyed(Alone):
    """Those for what is found by keys, whose plan is the same for all values."""

    _kept_as = _KEYED


Source = AsyncConnection | Alone
"""What rows are read from: a connection that is held, or whichever is free."""


async def fetch_from(source: Source, statement: Select[Any], values: Mapping[str, Any]) -> Fetched:
    """The rows of a statement that is kept, with these values."""
    if isinstance(source, Alone):
        return await source.fetch(statement, values)
    return await fetch(source, statement, values)


async def rows_of(
    source: Source, statement: Select[Any], values: Mapping[str, Any]
) -> Sequence[Sequence[Any]]:
    """The same with each value as a record holds it, for a few rows."""
    fetched = await fetch_from(source, statement, values)
    return read_by(fetched.readers, fetched.rows)


def keep_drivers(engine: AsyncEngine, *, alone: Drivers, keyed: Drivers) -> None:
    """Have `Alone` and `Keyed` of an engine use these connections."""
    engine.update_execution_options(**{_ALONE: alone, _KEYED: keyed})
