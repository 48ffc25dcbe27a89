"""Backfill: counts the figures of the messages of an old log."""

from typing import Final

from sqlalchemy import select

from db.derived.figures.message_figures import rebuild_figures
from db.migrations.places import BackfillPlace
from db.sql.connections import WriteConnection
from db.tables.log import MESSAGE

MESSAGES: Final = 200
"""The messages that one piece locks and counts."""


async def do_piece(connection: WriteConnection, after: BackfillPlace) -> BackfillPlace | None:
    """Count the next messages after a message, and return the last of them; None if none is left."""
    statement = select(MESSAGE.c.id).where(MESSAGE.c.id > after.id).order_by(MESSAGE.c.id)
    locked = statement.limit(MESSAGES).with_for_update(key_share=True)
    message_ids = (await connection.scalars(locked)).all()
    if not message_ids:
        return None
    await rebuild_figures(connection, message_ids)
    return BackfillPlace(message_ids[-1])
