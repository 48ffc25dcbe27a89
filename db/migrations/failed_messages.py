"""Backfill: mark the messages with a failed delivery, which a search for failures reads."""

from typing import Final

from sqlalchemy import exists, func, select, true, update

from db.migrations.places import BackfillPlace
from db.sql.connections import WriteConnection
from db.sql.key_lists import any_of
from db.tables.log import MESSAGE, TALLY
from domain.status import DeliveryStatus

ROWS: Final = 2_000
"""The messages of one piece."""


async def do_messages(connection: WriteConnection, after: BackfillPlace) -> BackfillPlace | None:
    """Mark those of the next messages that have a failed delivery. The caller holds the lock of the ingest.

    Dispatch and ingest of this release set the mark themselves.
    """
    ids = select(MESSAGE.c.id).where(MESSAGE.c.id > after.id).order_by(MESSAGE.c.id).limit(ROWS)
    last: int | None = await connection.scalar(select(func.max(ids.subquery().c.id)))
    if last is None:
        return None
    failed = exists().where(
        TALLY.c.message_id == MESSAGE.c.id,
        TALLY.c.status == DeliveryStatus.FAILED,
        ~TALLY.c.is_duplicate,
        TALLY.c.deliveries > 0,
    )
    # Locked first, so that the update sees the tallies of a transaction that changes the same message.
    unmarked = (
        select(MESSAGE.c.id)
        .where(MESSAGE.c.id > after.id, MESSAGE.c.id <= last, ~MESSAGE.c.has_failures, failed)
        .order_by(MESSAGE.c.id)
        .with_for_update()
    )
    found = (await connection.scalars(unmarked)).all()
    marked = update(MESSAGE).where(any_of(MESSAGE.c.id, found), failed)
    await connection.execute(marked.values(has_failures=true()))
    return BackfillPlace(last)
