"""Backfill: store the words of each message, by which a search for texts finds it."""

from typing import Final

from sqlalchemy import select

from db.log.message_words import words_of_message
from db.migrations.places import BackfillPlace
from db.sql.bulk_write import update_rows
from db.sql.connections import WriteConnection
from db.tables.log import CONTENT, MESSAGE

ROWS: Final = 500
"""The messages of one piece: it takes about 100 ms, during which imports wait."""


async def do_contents(connection: WriteConnection, after: BackfillPlace) -> BackfillPlace | None:
    """Store the words of the next messages. The caller holds the lock of the ingest, and so of the purge."""
    texts = CONTENT.c["body", "body_format", "text_body", "voice_script"]
    statement = (
        select(CONTENT.c.message_id, MESSAGE.c.subject, CONTENT.c.words, *texts)
        .join(MESSAGE, MESSAGE.c.id == CONTENT.c.message_id)
        .where(CONTENT.c.message_id > after.id)
        .order_by(CONTENT.c.message_id)
        .limit(ROWS)
    )
    rows = (await connection.execute(statement)).all()
    changed = []
    for message_id, subject, old, body, body_format, text_body, voice_script in rows:
        words = words_of_message(
            subject,
            body=body,
            body_format=body_format,
            text_body=text_body,
            voice_script=voice_script,
        )
        if words != old:
            changed.append((words, message_id))
    await update_rows(connection, CONTENT, changed, keys=("message_id",), columns=("words",))
    return BackfillPlace(rows[-1].message_id) if rows else None
