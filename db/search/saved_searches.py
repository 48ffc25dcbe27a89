"""The searches that viewers saved, each under a name. A viewer is a district and an id within it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, select, text

from db.log.visibility import Visibility
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.upsert import insert_into
from db.tables.installation import SAVED_SEARCH

MOST: Final = 100
"""The most searches of one viewer."""

_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:viewer, :district))")


class SavedSearchRecord(NamedTuple):
    """A saved search; `arguments` is JSON."""

    id: int
    name: str
    arguments: str
    created_at: datetime


class SearchOwner(NamedTuple):
    """The viewer to whom saved searches belong; `viewer_id` is the id in its sign-in."""

    district_id: int
    viewer_id: str


def owner(visibility: Visibility, viewer_id: str) -> SearchOwner:
    """Return the owner for a viewer of a district."""
    return SearchOwner(visibility.district.id, viewer_id)


async def searches_of(
    connection: ReadConnection, owner: SearchOwner
) -> Sequence[SavedSearchRecord]:
    """Return the saved searches of a viewer, by folded name."""
    statement = (
        select(*SAVED_SEARCH.c[SavedSearchRecord._fields])
        .where(_is_of(owner))
        .order_by(SAVED_SEARCH.c.key)
    )
    return [SavedSearchRecord(*row) for row in await connection.execute(statement)]


async def save(
    connection: WriteConnection,
    owner: SearchOwner,
    *,
    name: str,
    key: str,
    arguments: str,
    now: datetime,
) -> SavedSearchRecord | None:
    """Save a search, or replace the one with the same key, and return it; return None if the viewer has `MOST` others."""
    if connection.dialect.name == "postgresql":
        # Two requests of one viewer may not both save the last one; SQLite has one writer.
        await connection.execute(_LOCK, {"viewer": owner.viewer_id, "district": owner.district_id})
    others = (
        select(func.count())
        .select_from(SAVED_SEARCH)
        .where(_is_of(owner), SAVED_SEARCH.c.key != key)
    )
    if (await connection.scalar(others) or 0) >= MOST:
        return None
    statement = (
        insert_into(connection, SAVED_SEARCH)
        .values(**owner._asdict(), name=name, key=key, arguments=arguments, created_at=now)
        .on_conflict_do_update(
            index_elements=[*SAVED_SEARCH.c["district_id", "viewer_id", "key"]],
            set_={"name": name, "arguments": arguments, "created_at": now},
        )
        .returning(*SAVED_SEARCH.c[SavedSearchRecord._fields])
    )
    return SavedSearchRecord(*(await connection.execute(statement)).one())


async def remove(connection: WriteConnection, owner: SearchOwner, id: int) -> bool:
    """Delete a search of a viewer; return False if the viewer has none with this id."""
    statement = delete(SAVED_SEARCH).where(_is_of(owner), SAVED_SEARCH.c.id == id)
    return (await connection.execute(statement)).rowcount > 0


def _is_of(owner: SearchOwner) -> ColumnElement[bool]:
    return and_(
        SAVED_SEARCH.c.district_id == owner.district_id,
        SAVED_SEARCH.c.viewer_id == owner.viewer_id,
    )
