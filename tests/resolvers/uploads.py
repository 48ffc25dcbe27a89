"""Uploads for tests: lines on their way in, cut as a test likes, and what the log holds afterwards.

The lines themselves are made by `tests.log`.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Table, delete, func, select, text
from sqlmodel import SQLModel

from db.connect.database import Database
from db.tables.operations import AUDIT, AUDIT_SEAL
from domain.viewer import Viewer
from resolvers.ingest.ingest import Outcome, ingest
from tests.log import NOON

TABLES: Final[Sequence[Table]] = [
    table for table in SQLModel.metadata.sorted_tables if table not in (AUDIT, AUDIT_SEAL)
]
"""Every table that an upload, or a fault of one, could write to; those that are referred to come first."""


async def send(
    database: Database,
    *lines: bytes,
    viewer: Viewer | None = None,
    now: datetime = NOON,
    cuts: Sequence[int] = (),
) -> Outcome:
    """What an upload of `lines` did, its bytes cut at the places `cuts`."""
    return await ingest(database, chunks(b"".join(lines), cuts), viewer=viewer, clock=lambda: now)


async def chunks(whole: bytes, cuts: Sequence[int] = ()) -> AsyncIterator[bytes]:
    """`whole`, cut at these places."""
    places = [0, *sorted(cuts), len(whole)]
    for begin, end in pairwise(places):
        yield whole[begin:end]


async def rows(database: Database) -> Mapping[str, int]:
    """How many rows each table has."""
    async with database.reading() as connection:
        return {
            table.name: await connection.scalar(select(func.count()).select_from(table)) or 0
            for table in TABLES
        }


async def wipe(database: Database) -> None:
    """Empty the log, for the next example of one test."""
    async with database.writing() as connection:
        for table in reversed(TABLES):
            await connection.execute(delete(table))


async def story(database: Database) -> Mapping[str, Sequence[tuple[Any, ...]]]:
    """What the log tells, without our own ids: the same on both engines, whatever was written in which order."""
    async with database.reading() as connection:
        return {
            name: sorted(
                (_plain(row) for row in await connection.execute(text(statement))), key=repr
            )
            for name, statement in _STORY.items()
        }


def _plain(row: Iterable[Any]) -> tuple[Any, ...]:
    """A row in types that both engines give alike."""
    return tuple(
        int(cell) if isinstance(cell, bool) else str(cell)[:19] if _is_instant(cell) else cell
        for cell in row
    )


def _is_instant(cell: Any) -> bool:
    return isinstance(cell, datetime) or (
        isinstance(cell, str) and cell[10:11] == " " and len(cell) == 26
    )


_STORY: Final = {
    "district": "SELECT external_id, name, time_zone, has_voice FROM district",
    "school": """
        SELECT d.external_id, s.external_id, s.name, s.key
        FROM school s JOIN district d ON d.id = s.district_id
    """,
    "message": """
        SELECT d.external_id, m.external_id, s.external_id, m.school_key, m.status, m.type_code, m.type_label, m.subject,
               m.sender_id, m.sender_name, m.created_text, m.scheduled_text, m.schedule_id, m.source, m.modes,
               m.is_recorded, m.people, m.people_without_device, m.people_contacted, c.body, c.text_body, c.voice_script,
               c.reply_to, c.filter_criteria, m.category, c.digest
        FROM message m
        JOIN content c ON c.message_id = m.id
        JOIN district d ON d.id = m.district_id
        LEFT JOIN school s ON s.id = m.school_id
    """,
    "recipient": """
        SELECT m.external_id, r.number, p.external_id, r.name, t.external_id, r.student_name, r.key, r.is_repeat,
               r.contacted
        FROM recipient r
        JOIN message m ON m.id = r.message_id
        JOIN person p ON p.id = r.person_id
        LEFT JOIN person t ON t.id = r.student_id
    """,
    "delivery": """
        SELECT m.external_id, d.recipient_number, d.number, d.chunk, d.mode, d.address, a.kind, a.key, d.is_duplicate,
               d.status, d.call_status, d.confirmed, d.at, d.attempts
        FROM delivery d
        JOIN message m ON m.id = d.message_id
        JOIN address a ON a.id = d.address_id
    """,
    "person": """
        SELECT p.role, p.external_id, p.name, n.key
        FROM person p JOIN person_name n ON n.person_id = p.id
    """,
    "tally": """
        SELECT m.external_id, t.mode, t.status, t.call_status, t.is_duplicate, t.deliveries
        FROM tally t JOIN message m ON m.id = t.message_id
    """,
    "figure": """
        SELECT m.external_id, f.mode, f.gateway, f.status, f.delay, f.deliveries, c.day
        FROM figure f JOIN message m ON m.id = f.message_id JOIN figure_change c ON c.message_id = m.id
    """,
    "span": """
        SELECT m.external_id, s.mode, s.started_at, s.ended_at
        FROM span s JOIN message m ON m.id = s.message_id
    """,
    "cancellation": """
        SELECT m.external_id, c.requested_at, c.requested_by_id, c.reason, c.stopped, c.already_sent
        FROM cancellation c JOIN message m ON m.id = c.message_id
    """,
}
