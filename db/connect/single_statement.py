"""Single statements: each uses a connection only until its rows are there.

PostgreSQL plans a statement of `SingleStatements` for its values, and one of `KeyedStatements` only once. Statements that need one snapshot
use `db.connect.engine.snapshot`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy import Dialect, Insert, Select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.connect.driver_pool import DriverPool
from db.connect.driver_rows import Fetched, fetch
from db.sql.rows import read_by

_ALONE: Final = "sentlog_alone"
_KEYED: Final = "sentlog_keyed"


class SingleStatements:
    """Runs single statements on a database; PostgreSQL plans each for its values, which a search needs."""

    _option: ClassVar[str] = _ALONE

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._pool: DriverPool | None = engine.get_execution_options().get(self._option)

    @property
    def dialect(self) -> Dialect:
        """The dialect of the database."""
        return self._engine.dialect

    @property
    def commits(self) -> bool:
        """Whether `write` can be used: on SQLite a writer opens a transaction instead (`db.connect.engine.writing`)."""
        return self._pool is not None

    @property
    def lent(self) -> int:
        """How many connections are in use; 0 on SQLite, which uses those of the engine."""
        return 0 if self._pool is None else self._pool.lent

    async def fetch(self, statement: Select[Any], values: Mapping[str, Any]) -> Fetched:
        """Return the rows of a statement."""
        if self._pool is not None:
            return await self._pool.fetch(statement, values)
        async with self._engine.connect() as connection:
            return await fetch(connection, statement, values)

    async def write(self, statement: Insert, values: Mapping[str, Any]) -> None:
        """Insert one row and commit. Requires `commits`."""
        assert self._pool is not None
        await self._pool.fetch(statement, values)


class KeyedStatements(SingleStatements):
    """Runs statements that find rows by keys, whose plan is the same for all values."""

    _option = _KEYED


Source = AsyncConnection | SingleStatements
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


def set_driver_pools(engine: AsyncEngine, *, alone: DriverPool, keyed: DriverPool) -> None:
    """Make `SingleStatements` and `KeyedStatements` of an engine use these pools."""
    engine.update_execution_options(**{_ALONE: alone, _KEYED: keyed})
