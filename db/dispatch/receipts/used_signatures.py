"""Used signatures: each is valid for one callback."""

from datetime import datetime
from typing import Final

from sqlalchemy import delete, select

from db.sql.connections import WriteConnection
from db.sql.upsert import insert_into
from db.tables.operations import SEAL

_DELETED_AT_ONCE: Final = 20
"""More expired rows than one callback adds, so that they never accumulate."""


async def use(connection: WriteConnection, token: str, *, until: datetime, now: datetime) -> bool:
    """Use a signature, which expires at `until`; return False if it was used before.

    If two callbacks have the same one, the second waits until the first commits or rolls back.
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
        .limit(_DELETED_AT_ONCE)
        .with_for_update(skip_locked=True)  # another callback deletes those
    )
    await connection.execute(delete(SEAL).where(SEAL.c.token.in_(old)))
    return True
