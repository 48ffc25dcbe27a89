"""Whose turn it is to ask the providers for a message: one guarded UPDATE decides, for all processes."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.log import MESSAGE
from domain.refresh import PAUSE


class Turn(NamedTuple):
    """When the providers were last asked for a message (UTC), and whether it is the caller who asks them now."""

    asked_at: datetime
    is_mine: bool


async def last_turn(connection: AsyncConnection, message_id: int) -> datetime | None:
    """When the providers were last asked for a message; None where they never were."""
    asked_at: datetime | None = await connection.scalar(
        select(MESSAGE.c.refreshed_at).where(MESSAGE.c.id == message_id)
    )
    return asked_at


async def take_turn(connection: AsyncConnection, message_id: int, *, now: datetime) -> Turn:
    """Ask for the turn. It is given once in `domain.refresh.PAUSE`; the message has to be there."""
    free = or_(MESSAGE.c.refreshed_at.is_(None), MESSAGE.c.refreshed_at <= now - PAUSE)
    taken = await connection.execute(
        update(MESSAGE)
        .where(MESSAGE.c.id == message_id, free)
        .values(refreshed_at=now)
        .returning(MESSAGE.c.id)
    )
    if taken.first() is not None:
        return Turn(now, True)
    asked_at = await last_turn(connection, message_id)
    assert asked_at is not None, f"there is no message {message_id}"
    return Turn(asked_at, False)


async def keep_turn(
    connection: AsyncConnection, message_id: int, *, taken_at: datetime, now: datetime
) -> bool:
    """Say that the providers are still being asked: nobody else's turn begins meanwhile.

    False, and nothing is changed, where somebody else has taken the turn since `taken_at`.
    """
    kept = await connection.execute(
        update(MESSAGE)
        .where(MESSAGE.c.id == message_id, MESSAGE.c.refreshed_at == taken_at)
        .values(refreshed_at=now)
    )
    return kept.rowcount > 0
