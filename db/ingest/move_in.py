"""Moves messages from the staging tables into the log, under the lock of the ingest.

`statements/` has the statements: one per table, for any number of messages. `resolvers.ingest` parses lines and rejects
messages.
"""

from collections.abc import Mapping, Sequence
from datetime import time
from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import select, text

from db.connect.notices import notify_of_new
from db.derived.addresses import imported
from db.ingest import staging_tables
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.key_lists import text_any_of
from db.sql.statement_files import FileStatement, read_statements
from db.tables.log import CONTENT, DISTRICT, MESSAGE

INGEST_LOCK: Final = 0x5E47106
"""The key of PostgreSQL's advisory lock for moving messages into the log; any number that is unique here."""


async def digests(
    connection: ReadConnection, district_id: int, external_ids: Sequence[str]
) -> Mapping[str, bytes]:
    """Return the digests of those of these messages that are in the log, by external id."""
    statement = (
        select(MESSAGE.c.external_id, CONTENT.c.digest)
        .join(CONTENT, CONTENT.c.message_id == MESSAGE.c.id)
        .where(
            MESSAGE.c.district_id == district_id, text_any_of(MESSAGE.c.external_id, external_ids)
        )
    )
    return {row.external_id: row.digest for row in await connection.execute(statement)}


async def call_hours(connection: ReadConnection, district_id: int) -> tuple[time, time] | None:
    """Return the local times between which a district's calls are placed; None: at any time."""
    statement = select(DISTRICT.c.call_from, DISTRICT.c.call_until).where(
        DISTRICT.c.id == district_id
    )
    opens, closes = (await connection.execute(statement)).one()
    return None if opens is None or closes is None else (opens, closes)


async def take_lock(connection: WriteConnection) -> None:
    """Acquire the lock of the ingest until the transaction ends, so that two uploads cannot insert one message twice."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": INGEST_LOCK})


async def staged_in_log(connection: ReadConnection) -> Mapping[int, bool]:
    """Return the refs of staged messages that are in the log already, each with whether the content is the same."""
    rows = await connection.execute(
        text(
            """
            SELECT s.ref, c.digest = s.digest AS same
            FROM staged_message s
            JOIN message m ON m.district_id = s.district_id AND m.external_id = s.external_id
            JOIN content c ON c.message_id = m.id
            """
        )
    )
    return {row.ref: bool(row.same) for row in rows}


async def move(connection: WriteConnection) -> None:
    """Move every complete staged message into the log, with its counters and the states of its addresses.

    The caller holds the lock, and has removed staged messages that are in the log already.
    """
    is_postgresql = connection.dialect.name == "postgresql"
    if is_postgresql:
        await connection.exec_driver_sql(_SETTINGS)
        await _analyze(connection, "staged_message", "staged_recipient", "staged_delivery")
    for statement, notes in _steps(connection.dialect.name):
        result = await connection.execute(text(statement))
        filled = notes.get("analyze")
        if is_postgresql and filled and result.rowcount >= int(notes.get("from", 0)):
            await _analyze(connection, filled)
    columns = staging_tables.MESSAGES.c["district_id", "school_id"]
    places = (await connection.execute(select(*columns).distinct().order_by(*columns))).all()
    await notify_of_new(connection, [(district, school) for district, school in places])
    await imported.add(connection)


@cache
def _steps(dialect: str) -> Sequence[FileStatement]:
    """Return the statements, in order. A note names the table to analyze after one that inserted at least `from` rows."""
    names = ("1_findings", "2_messages", f"3_people_{dialect}", "4_counters")
    return [one for name in names for one in read_statements(_STATEMENTS / f"{name}.sql")]


async def _analyze(connection: WriteConnection, *tables: str) -> None:
    """ANALYZE tables, because the planner has old statistics of them or none.

    Tables of the log use the server's statistics target. A small sample is enough for staging tables.
    """
    sample = "10" if tables[0] in staging_tables.METADATA.tables else "DEFAULT"
    await connection.exec_driver_sql(
        f"SET LOCAL default_statistics_target = {sample}; ANALYZE {', '.join(tables)}"
    )


_STATEMENTS: Final = Path(__file__).parent / "statements"

_SETTINGS: Final = "SET LOCAL work_mem = '64MB'; SET LOCAL plan_cache_mode = auto"
"""With the default work_mem of 4 MB, sorts of a large message spill to disk. Foreign-key triggers need plans that are cached:
with custom plans, planning for each row takes four times as long as the look-up.
"""
