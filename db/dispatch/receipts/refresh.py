"""The turn to poll the providers for a message: one conditional UPDATE decides for all processes."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import or_, select, update

from db.sql.connections import ReadConnection, WriteConnection
from db.tables.log import MESSAGE
from domain.refresh import PAUSE


class Turn(NamedTuple):
    """When the providers were last polled for a message (UTC), and whether the caller polls them now."""

    asked_at: datetime
    is_mine: bool


async def last_turn(connection: ReadConnection, message_id: int) -> datetime | None:
    """Return when the providers were last polled for a message; None if never."""
    asked_at: datetime | None = await connection.scalar(
        select(MESSAGE.c.refreshed_at).where(MESSAGE.c.id == message_id)
    )
    return asked_at


async def take_turn(connection: WriteConnection, message_id: int, *, now: datetime) -> Turn:
    """Take the turn, if nobody took it within `domain.refresh.PAUSE`. The message must exist."""
    free = or_(MESSAGE.c.refreshed_at.is_(None), MESSAGE.c.refreshed_at <= now - PAUSE)
    updated = await connection.execute(
        update(MESSAGE)
        .where(MESSAGE.c.id == message_id, free)
        .values(refreshed_at=now)
        .returning(MESSAGE.c.id)
    )
    if updated.first() is not None:
        return Turn(now, True)
    asked_at = await last_turn(connection, message_id)
    assert asked_at is not None, f"message {message_id} does not exist"
    return Turn(asked_at, False)


async def keep_turn(
    connection: WriteConnection, message_id: int, *, taken_at: datetime, now: datetime
) -> bool:
    """Extend the turn taken at `taken_at`, so that no other process takes one while the providers are polled.

    Returns False and changes nothing if another process has taken the turn since.
    """
    updated = await connection.execute(
        update(MESSAGE)
        .where(MESSAGE.c.id == message_id, MESSAGE.c.refreshed_at == taken_at)
        .values(refreshed_at=now)
    )
    return updated.rowcount > 0
