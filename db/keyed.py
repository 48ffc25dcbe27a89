"""Statements that stand alone: each has a connection for itself, and only until its rows are there.

Those that find rows by keys are written once, and on PostgreSQL planned once. What belongs together in one moment is read in
`db.engine.reading`. Which rows are found is not said here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Dialect, Engine, Insert, Select, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

from db.fetch import Fetched, fetch, fetch_aside
from db.rows import read_by

_KEYED: Final = "sentlog_keyed"


class Alone:
    """The connections of an engine; on PostgreSQL a statement is planned for its values, as that of a search has to be."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine: Engine = engine.sync_engine

    @property
    def dialect(self) -> Dialect:
        """Of the database, as that of a connection."""
        return self.engine.dialect

    @property
    def commits(self) -> bool:
        """Whether what one statement writes stands when it is done; on SQLite a writer has to say so beforehand."""
        return self.dialect.name == "postgresql"

    async def fetch(self, statement: Select[Any], values: Mapping[str, Any]) -> Fetched:
        """The rows of a statement."""
        # One step aside for all of it: to take a connection, to use it and to give it back are one each, else.
        return await greenlet_spawn(self._fetch, statement, values)

    async def write(self, statement: Insert, values: Mapping[str, Any]) -> None:
        """Write one row with one statement. Only where it `commits`."""
        assert self.commits
        await greenlet_spawn(self._fetch, statement, values)

    def _fetch(self, statement: Select[Any] | Insert, values: Mapping[str, Any]) -> Fetched:
        with self.engine.connect() as connection:
            return fetch_aside(connection, statement, values)


class Keyed(Alone):
    """The connections that an engine has for what is found by keys; on SQLite, any."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self.engine = engine.get_execution_options().get(_KEYED, self.engine)


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


def keep_keyed(engine: AsyncEngine, connections: AsyncEngine) -> None:
    """Have `Keyed` of an engine use these connections, which end with its own."""
    kept = connections.sync_engine
    engine.update_execution_options(**{_KEYED: kept})
    event.listen(engine.sync_engine, "engine_disposed", lambda _: kept.dispose())
