"""Backfills: fold again every text by which messages, recipients, schools and people are searched and sorted.

Ingest stores the folded keys. Keys of an earlier release match only needles that fold alike in both releases. The log may
be used while a backfill runs: a search then misses only what it missed before.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, Table, delete, select, tuple_

from db.log.districts import rename_school
from db.migrations.places import BackfillPlace
from db.sql.bulk_write import insert_rows, update_rows
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.key_lists import any_of
from db.tables.log import MESSAGE, PERSON_NAME, RECIPIENT, SCHOOL
from domain.search import fold

ROWS: Final = 2_000
"""The rows that one piece reads: it takes about 50 ms, during which imports wait."""

_SOURCES: Final = {
    "subject_key": "subject",
    "type_key": "type_label",
    "sender_key": "sender_name",
    "schedule_key": "schedule_id",
}
"""The column from which each key of a message is made; `do_schools` updates its school's key."""


async def do_schools(connection: WriteConnection, after: BackfillPlace) -> BackfillPlace | None:
    """Fold the name of the next school, also in its messages. Here and below, the caller holds the lock of the ingest."""
    statement = (
        select(SCHOOL.c.id, SCHOOL.c.key, SCHOOL.c.name)
        .where(SCHOOL.c.id > after.id)
        .order_by(SCHOOL.c.id)
        .limit(1)
        # A concurrent rename waits for this lock, and then updates the messages too.
        .with_for_update()
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        return None
    if (key := fold(row.name)) != row.key:
        await rename_school(connection, row.id, name=row.name, key=key)
    return BackfillPlace(row.id)


async def do_messages(connection: WriteConnection, after: BackfillPlace) -> BackfillPlace | None:
    """Fold subject, type, sender and schedule of the next messages."""
    rows = await _next(connection, MESSAGE, after, *_SOURCES, *_SOURCES.values())
    for key, source in _SOURCES.items():
        folded = [(row.id, getattr(row, source), getattr(row, key)) for row in rows]
        changed = [
            (new, id_)
            for id_, text, old in folded
            if text is not None and (new := fold(text)) != old
        ]
        await update_rows(connection, MESSAGE, changed, keys=("id",), columns=(key,))
    return _last(rows)


async def do_recipients(connection: WriteConnection, after: BackfillPlace) -> BackfillPlace | None:
    """Fold the names of the next recipients and of their students, and add new keys to the names of these people."""
    place = tuple_(RECIPIENT.c.message_id, RECIPIENT.c.number)
    statement = (
        select(
            RECIPIENT.c.message_id.label("id"),
            RECIPIENT.c.number,
            RECIPIENT.c.key,
            RECIPIENT.c.person_id,
            RECIPIENT.c.name,
            RECIPIENT.c.student_id,
            RECIPIENT.c.student_name,
        )
        .where(place > tuple_(after.id, after.within))
        .order_by(RECIPIENT.c.message_id, RECIPIENT.c.number)
        .limit(ROWS)
    )
    rows = (await connection.execute(statement)).all()
    changed, names = [], set[tuple[int, str]]()
    for row in rows:
        name, student = fold(row.name), fold(row.student_name or "")
        if (key := f"{name}\n{student}") != row.key:
            changed.append((key, row.id, row.number))
            names.add((row.person_id, name))
            if row.student_id is not None:
                names.add((row.student_id, student))
    await update_rows(
        connection, RECIPIENT, changed, keys=("message_id", "number"), columns=("key",)
    )
    await insert_rows(
        connection,
        PERSON_NAME,
        sorted(names),
        columns=("person_id", "key"),
        on_conflict="ON CONFLICT DO NOTHING",
    )
    return BackfillPlace(rows[-1].id, rows[-1].number) if rows else None


async def do_names(connection: WriteConnection, after: BackfillPlace) -> BackfillPlace | None:
    """Fold the keys of the next names again; delete a key if its person has the new one already.

    The table has no unfolded names. If the new folding keeps characters that the old one dropped, `do_recipients` has added
    the new key.
    """
    rows = await _next(connection, PERSON_NAME, after, "person_id", "key")
    old = [(row, key) for row in rows if (key := fold(row.key)) != row.key]
    if old:
        of_people = any_of(PERSON_NAME.c.person_id, sorted({row.person_id for row, _ in old}))
        existing = await connection.execute(
            select(PERSON_NAME.c.person_id, PERSON_NAME.c.key).where(of_people)
        )
        taken = {(person_id, key) for person_id, key in existing}
        changed, deleted = [], []
        for row, key in old:
            if (row.person_id, key) in taken:
                deleted.append(row.id)
            else:
                taken.add((row.person_id, key))
                changed.append((key, row.id))
        await connection.execute(delete(PERSON_NAME).where(any_of(PERSON_NAME.c.id, deleted)))
        await update_rows(connection, PERSON_NAME, changed, keys=("id",), columns=("key",))
    return _last(rows)


async def _next(
    connection: ReadConnection, table: Table, after: BackfillPlace, *columns: str
) -> Sequence[Row[Any]]:
    """Return id and these columns of the next rows."""
    statement = select(table.c.id, *(table.c[name] for name in columns)).where(
        table.c.id > after.id
    )
    return (await connection.execute(statement.order_by(table.c.id).limit(ROWS))).all()


def _last(rows: Sequence[Row[Any]]) -> BackfillPlace | None:
    return BackfillPlace(rows[-1].id) if rows else None
