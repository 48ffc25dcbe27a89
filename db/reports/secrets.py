"""Secrets that all processes of one log share. They are made by migrations."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.sql.key_lists import text_any_of
from db.tables.operations import SECRET


async def secrets(connection: AsyncConnection, names: Sequence[str]) -> Mapping[str, bytes]:
    """Those of these secrets that there are."""
    rows = await connection.execute(
        select(SECRET.c.name, SECRET.c.value).where(text_any_of(SECRET.c.name, names))
    )
    return {row.name: row.value for row in rows}
