"""Secrets that all processes of one log share. Migrations create them."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select

from db.sql.connections import ReadConnection
from db.sql.key_lists import text_any_of
from db.tables.operations import SECRET


async def secrets(connection: ReadConnection, names: Sequence[str]) -> Mapping[str, bytes]:
    """Return those of these secrets that exist, by name."""
    rows = await connection.execute(
        select(SECRET.c.name, SECRET.c.value).where(text_any_of(SECRET.c.name, names))
    )
    return {row.name: row.value for row in rows}
