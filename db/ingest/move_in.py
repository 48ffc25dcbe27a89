"""Messages on their way from the stage into the log: what the log has already, whose turn it is, and the way in.

The statements that move them are in `db.ingest.steps`. How lines become staged rows is not decided here, and neither is which of
them are refused.
"""

from collections.abc import Mapping, Sequence
from datetime import time
from typing import Final

from sqlalchemy import Table, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.ingest import staging_tables
from db.ingest.steps import moves
from db.log.districts import SchoolRecord
from db.sql.key_lists import text_any_of
from db.tables.log import CONTENT, DISTRICT, MESSAGE, SCHOOL

INGEST_LOCK: Final = 0x5E47106
"""PostgreSQL's advisory lock of whoever moves messages into the log; any number that nothing else here uses."""


async def digests(
    connection: AsyncConnection, district_id: int, external_ids: Sequence[str]
) -> Mapping[str, bytes]:
    """The digests of those messages of a district that are in the log, by the sending system's id."""
    statement = (
        select(MESSAGE.c.external_id, CONTENT.c.digest)
        .join(CONTENT, CONTENT.c.message_id == MESSAGE.c.id)
        .where(
            MESSAGE.c.district_id == district_id, text_any_of(MESSAGE.c.external_id, external_ids)
        )
    )
    return {row.external_id: row.digest for row in await connection.execute(statement)}


async def call_hours(connection: AsyncConnection, district_id: int) -> tuple[time, time] | None:
    """Between which times of its own day a district's calls are placed; None: at any time."""
    statement = select(DISTRICT.c.call_from, DISTRICT.c.call_until).where(
        DISTRICT.c.id == district_id
    )
    opens, closes = (await connection.execute(statement)).one()
    return None if opens is None or closes is None else (opens, closes)


async def school_known_as(
    connection: AsyncConnection, district_id: int, external_id: str
) -> SchoolRecord | None:
    """The school of a district that the sending system calls `external_id`."""
    statement = select(
        SCHOOL.c.id, SCHOOL.c.district_id, SCHOOL.c.external_id, SCHOOL.c.name, SCHOOL.c.key
    ).where(SCHOOL.c.district_id == district_id, SCHOOL.c.external_id == external_id)
    row = (await connection.execute(statement)).first()
    return None if row is None else SchoolRecord(*row)


async def take_lock(connection: AsyncConnection) -> None:
    """Wait until no other transaction moves messages into the log: two uploads of one message must not both go in."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": INGEST_LOCK})


async def staged_in_log(connection: AsyncConnection) -> Mapping[int, bool]:
    """The staged messages that are in the log already, by their refs: whether with the same content."""
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


async def move(connection: AsyncConnection) -> None:
    """Put every message that is whole on the stage into the log, complete with its figures.

    The caller holds the lock, and has taken off the stage what is in the log already.
    """
    is_postgresql = connection.dialect.name == "postgresql"
    if is_postgresql:
        await connection.exec_driver_sql(_SETTINGS)
        await _count(
            connection,
            staging_tables.MESSAGES,
            staging_tables.RECIPIENTS,
            staging_tables.DELIVERIES,
        )
    for step in moves(connection.dialect.name):
        moved = await connection.execute(text(step.statement))
        if is_postgresql and step.fills is not None and moved.rowcount >= step.counted_from:
            await _count(connection, step.fills)


async def _count(connection: AsyncConnection, *tables: Table) -> None:
    """Tell the planner what tables hold now: otherwise it goes by what they held when counted last, or by nothing.

    The log is counted as the server is set; of what is on the stage, which is gone in a moment, a look is enough.
    """
    names = ", ".join(table.name for table in tables)
    sample = "10" if tables[0].metadata is staging_tables.MESSAGES.metadata else "DEFAULT"
    await connection.exec_driver_sql(
        f"SET LOCAL default_statistics_target = {sample}; ANALYZE {names}"
    )


_SETTINGS: Final = "SET LOCAL work_mem = '64MB'; SET LOCAL plan_cache_mode = auto"
"""With the default of 4 MB the sorts of a large message go to the disk. And foreign keys are looked up by statements that are
planned once, where otherwise all here are planned each time: for each row of each key that took four times as long as the look.
"""
