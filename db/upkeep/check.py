"""Checks counters, files and text indexes against the rows, and returns the differences. It repairs nothing.

`domain.counting` defines the figures; `recounts.sql` has the statements.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Boolean, Integer, String, TextualSelect, column, func, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.types import TypeEngine

from db.derived.figures.message_figures import FigureKey, count_figures, stored_figures
from db.sql.column_types import Instant
from db.sql.connections import ReadConnection
from db.sql.statement_files import read_statements
from db.tables.log import MESSAGE
from domain.figures import NO_DELAY

MOST_DIFFERENCES: Final = 1_000
"""The most differences of one kind that are returned per range of messages."""


class Difference(NamedTuple):
    """A stored counter or flag that differs from its rows, or a sum that differs from its messages."""

    message: str
    """The external id of the message. Otherwise `address` or `saved search` and its number, or `district` and its external id."""
    what: str
    stored: str | None
    counted: str | None


async def count_messages(connection: ReadConnection) -> int:
    """Return the number of messages."""
    return await connection.scalar(select(func.count()).select_from(MESSAGE)) or 0


async def next_messages(connection: ReadConnection, after: int, *, count: int) -> Sequence[int]:
    """Return the ids of the next `count` messages after the id `after`, in order."""
    statement = select(MESSAGE.c.id).where(MESSAGE.c.id > after).order_by(MESSAGE.c.id).limit(count)
    return (await connection.scalars(statement)).all()


async def differences(
    connection: ReadConnection, *, after: int, until: int
) -> Sequence[Difference]:
    """Return the differences in the messages whose ids are greater than `after` and at most `until`.

    Call it in a snapshot, because dispatch changes rows and counters together.
    """
    bounds = {"after": after, "until": until, "most": MOST_DIFFERENCES}
    differences: list[Difference] = []
    for statement in _recounts():
        differences += [
            Difference(row.message, row.what, text_of(row.stored), text_of(row.counted))
            for row in await connection.execute(statement, bounds)
        ]
    return [*differences, *await _differences_of_figures(connection, after=after, until=until)]


async def _differences_of_figures(
    connection: ReadConnection, *, after: int, until: int
) -> Sequence[Difference]:
    """Return the figures that differ from the rows. In Python, because delays are in buckets of `domain.figures`."""
    whole = select(MESSAGE.c.id, MESSAGE.c.external_id).where(
        MESSAGE.c.id > after, MESSAGE.c.id <= until, MESSAGE.c.purged_at.is_(None)
    )
    names = {row.id: row.external_id for row in await connection.execute(whole)}
    stored = await stored_figures(connection, sorted(names))
    counted = await count_figures(connection, sorted(names))
    return [
        Difference(
            names[key.message_id], _name_of(key), str(stored.get(key, 0)), str(counted.get(key, 0))
        )
        for key in sorted(stored.keys() | counted.keys())
        if stored.get(key, 0) != counted.get(key, 0)
    ][:MOST_DIFFERENCES]


def _name_of(key: FigureKey) -> str:
    gateway = f" by {key.gateway}" if key.gateway else ""
    delay = "" if key.delay == NO_DELAY else f" after {key.delay} s"
    return f"figure {key.mode} {key.status}{gateway}{delay}"


@cache
def _recounts() -> Sequence[TextualSelect]:
    """Return the statements with their result columns; the note `values` has the type of stored and counted values."""
    types: dict[str, TypeEngine[Any]] = {
        "integer": Integer(),
        "boolean": Boolean(),
        "instant": Instant(),
    }
    return [
        text(statement).columns(
            column("message", String),
            column("what", String),
            column("stored", types[notes["values"]]),
            column("counted", types[notes["values"]]),
        )
        for statement, notes in read_statements(Path(__file__).with_name("recounts.sql"))
    ]


async def faults_of_file(connection: ReadConnection) -> Sequence[str]:
    """Return the faults in the pages and foreign keys of a SQLite file; none on PostgreSQL."""
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


async def faults_of_search(connection: ReadConnection) -> Sequence[str]:
    """Return the text indexes of SQLite that differ from their tables. FTS5's check is a write; none on PostgreSQL."""
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


def text_of(value: object) -> str | None:
    """Return a stored or counted value as a text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat()
    return None if value is None else str(value)
