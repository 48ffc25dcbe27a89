"""Which tables the statements of a piece of work scan, by their plans."""

from collections.abc import Awaitable, Callable, Sequence, Set
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import text

from db.connect.database import Database
from db.log.visibility import Visibility
from db.sql.connections import ReadConnection, WriteConnection
from tests import log
from tests.statements import recorded, tables_read_whole

NOW: Final = log.NOON + timedelta(days=3650)


async def read_without_index(connection: ReadConnection) -> set[str]:
    """Return the tables that a text search scans: none, except on a server without pg_trgm."""
    if connection.dialect.name == "sqlite":
        return set()
    found = await connection.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'"))
    return set() if found else {"message", "person_name", "address"}


MASS: Final = {"message", "recipient", "delivery", "person", "person_name", "address", "content"}

Run = Callable[[WriteConnection, Visibility], Awaitable[Any]]


async def read_whole(
    database: Database, run: Run, *, for_text: bool = False, mass: Set[str] = MASS
) -> Sequence[tuple[str, str]]:
    """Return the tables that a piece of work scans, each with the statement."""
    visibility = await log.visibility(database, now=NOW)
    async with database.reading() as connection:
        await connection.exec_driver_sql("SELECT 1")
        with recorded(database) as statements:
            await run(WriteConnection(connection), visibility)
        assert statements
        excused = await read_without_index(connection) if for_text else set()
        return [
            (table, statement.text)
            for statement in list(statements)
            for table in await tables_read_whole(connection, statement)
            if table in mass - excused and not _ends_early(table, statement.text)
        ]


async def found_by_district_alone(database: Database, run: Run) -> Sequence[str]:
    """Return the steps that read all rows of a district by an index, which is a scan in all but name; SQLite only."""
    visibility = await log.visibility(database, now=NOW)
    async with database.reading() as connection:
        if connection.dialect.name != "sqlite":
            return []
        with recorded(database) as statements:
            await run(WriteConnection(connection), visibility)
        steps: list[str] = []
        for statement in list(statements):
            explain = f"EXPLAIN QUERY PLAN {statement.text}"
            plan = await connection.exec_driver_sql(explain, statement.parameters)
            steps += [row.detail for row in plan]
    return [step for step in steps if step.endswith("(district_id=?)")]


def _ends_early(table: str, statement: str) -> bool:
    """Return whether a scan is the look-up of words, which ends after 2,001 messages; PostgreSQL scans for frequent words."""
    return table == "content" and statement.startswith("SELECT content.message_id")
