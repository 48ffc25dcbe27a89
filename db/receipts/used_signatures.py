"""Signatures that were used: each is good for one callback."""

from datetime import datetime
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.sql.upsert import insert_into
from db.tables.operations import SEAL

_FORGOTTEN_AT_ONCE: Final = 20
"""More than come in with one callback, so that they never pile up."""


async def use(connection: AsyncConnection, token: str, *, until: datetime, now: datetime) -> bool:
    """Use a signature, which nobody honours after `until` anyway; False where it was used before.

    Where two come with the same one, the second waits for the first to commit or to give up.
    """
    statement = (
        insert_into(connection, SEAL).values(token=token, until=until).on_conflict_do_nothing()
    )
    used = await connection.execute(statement.returning(SEAL.c.token))
    if used.first() is None:
        return False
    old = (
        select(SEAL.c.token)
        .where(SEAL.c.until < now)
        .order_by(SEAL.c.until)
        .limit(_FORGOTTEN_AT_ONCE)
        .with_for_update(skip_locked=True)  # another callback forgets those
    )
    await connection.execute(delete(SEAL).where(SEAL.c.token.in_(old)))
    return True
