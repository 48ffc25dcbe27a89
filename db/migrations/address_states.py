"""Backfill: counts the failures of every address of a log from before migration 0018."""

from typing import Final

from sqlalchemy import select

from db.derived.addresses import states
from db.migrations.places import BackfillPlace
from db.sql.connections import WriteConnection
from db.tables.log import ADDRESS

ROWS: Final = 200
"""The addresses whose deliveries one piece reads."""


async def do_piece(connection: WriteConnection, after: BackfillPlace) -> BackfillPlace | None:
    """Do the next piece after an address, and return the one up to which all is done; None if none is left."""
    statement = (
        select(ADDRESS.c.id).where(ADDRESS.c.id > after.id).order_by(ADDRESS.c.id).limit(ROWS)
    )
    ids = (await connection.scalars(statement)).all()
    if not ids:
        return None
    await states.recount(connection, ids)
    return BackfillPlace(ids[-1])
