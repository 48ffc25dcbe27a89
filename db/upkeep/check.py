"""The log counted again from its rows: what is kept beside them, and where it differs.

What a figure means is in `domain.counting`, how it is counted in `db.upkeep.recounts`. Nothing is mended here.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.log import MESSAGE
from db.upkeep.recounts import RECOUNTS

MOST_DIFFERENCES: Final = 1_000
"""Differences of one kind that are given for one range: a log in which more is wrong is not mended row by row."""


class Difference(NamedTuple):
    """Something that is kept beside the rows of a message and does not follow from them."""

    message: str
    """By the id of the sending system."""
    what: str
    stored: str | None
    counted: str | None


async def count_messages(connection: AsyncConnection) -> int:
    """How many messages there are to check."""
    return await connection.scalar(select(func.count()).select_from(MESSAGE)) or 0


async def next_messages(connection: AsyncConnection, after: int, *, count: int) -> Sequence[int]:
    """Our ids of the next `count` messages after the id `after`, in their order."""
    statement = select(MESSAGE.c.id).where(MESSAGE.c.id > after).order_by(MESSAGE.c.id).limit(count)
    return (await connection.scalars(statement)).all()


async def differences(
    connection: AsyncConnection, *, after: int, until: int
) -> Sequence[Difference]:
    """The differences in the messages whose ids are greater than `after` and at most `until`.

    Read it in a snapshot: a message that is delivered meanwhile changes rows and counters together.
    """
    bounds = {"after": after, "until": until, "most": MOST_DIFFERENCES}
    found: list[Difference] = []
    for statement in RECOUNTS:
        found += [
            Difference(row.message, row.what, _said(row.stored), _said(row.counted))
            for row in await connection.execute(statement, bounds)
        ]
    return found


async def faults_of_file(connection: AsyncConnection) -> Sequence[str]:
    """What is wrong with the pages and keys of a SQLite file; PostgreSQL looks after its own."""
    if connection.dialect.name != "sqlite":
        return []
    damages = await connection.scalars(text("PRAGMA integrity_check"))
    dangling = (await connection.execute(text("PRAGMA foreign_key_check"))).mappings()
    return [
        *(f"the file is damaged: {damage}" for damage in damages if damage != "ok"),
        *(
            f"row {row['rowid']} of {row['table']} refers to a row of {row['parent']} that is not there"
            for row in dangling
        ),
    ]


async def faults_of_search(connection: AsyncConnection) -> Sequence[str]:
    """Which of SQLite's text indexes do not hold what their tables hold; its own check of them is a write."""
    if connection.dialect.name != "sqlite":
        return []
    indexes = await connection.scalars(
        text(
            "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE % USING fts5 %' ORDER BY name"
        )
    )
    faults: list[str] = []
    for index in indexes.all():
        try:
            await connection.exec_driver_sql(
                f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)"
            )
        except DatabaseError as error:
            faults.append(f"the index {index} does not hold what its table holds: {error.orig}")
    return faults


def _said(value: object) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat()
    return None if value is None else str(value)
