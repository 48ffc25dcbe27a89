"""What has changed among the messages that a search finds, for one who watches them.

`db.connect.log_watch` collects which messages changed at all.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from db.log.messages import READING, MessageRecord, select_by
from db.log.visibility import Visibility, visible
from db.search import facets
from db.search.criteria import FROM, UNTIL, Criteria
from db.search.search import Search
from db.sql.connections import ReadConnection
from db.sql.index_hints import BY_ROWID
from db.sql.key_lists import any_of
from db.tables.conditions import TO_BEGIN
from db.tables.log import MESSAGE
from domain.message import Source


class LogMark(NamedTuple):
    """The messages that a search finds: their number and the sum of their revisions; None if the sum was not read.

    The sum shows changes of which no notice came.
    """

    total: int
    revisions: int | None

    def differs(self, other: "LogMark") -> bool:
        """Return whether the messages have certainly changed between the two marks."""
        if self.revisions is None or other.revisions is None:
            return self.total != other.total
        return self != other


async def mark_of(connection: ReadConnection, search: Search, *, with_revisions: bool) -> LogMark:
    """Return the mark of what `search` finds now. The sum reads each message, the number an index alone."""
    if not with_revisions:
        return LogMark(await facets.count(connection, search), None)
    hint = await search.indexes.to_count(connection)
    sums = select_by(hint, func.count(), func.sum(MESSAGE.c.revision)).where(search.where())
    total, revisions = (await connection.execute(sums, search.values)).one()
    return LogMark(total, revisions or 0)


async def found_among(
    connection: ReadConnection, search: Search, ids: Collection[int]
) -> Sequence[MessageRecord]:
    """Return those of these messages that `search` finds, as they are now."""
    statement = select_by(BY_ROWID, *READING.columns.values()).where(
        any_of(MESSAGE.c.id, sorted(ids)), search.where()
    )
    rows = await connection.execute(statement.order_by(MESSAGE.c.id), search.values)
    return [MessageRecord(*row) for row in rows]


async def are_visible_on_days(
    connection: ReadConnection, search: Search, ids: Collection[int]
) -> bool:
    """Return whether any of these messages is visible and was created on the days of `search`, whatever its other criteria."""
    if not ids:
        return False
    statement = (
        select_by(BY_ROWID, MESSAGE.c.id)
        .where(
            any_of(MESSAGE.c.id, sorted(ids)),
            visible(search.visibility),
            MESSAGE.c.created_at >= search.values[FROM],
            MESSAGE.c.created_at < search.values[UNTIL],
        )
        .limit(1)
    )
    return (await connection.execute(statement)).first() is not None


async def next_appearance(
    connection: ReadConnection, criteria: Criteria, *, visibility: Visibility
) -> datetime | None:
    """Return when the next message of a scheduler becomes visible that was created on these days; None if none waits."""
    statement = (
        select(MESSAGE.c.visible_from)
        .where(
            TO_BEGIN,
            MESSAGE.c.scheduled_at > visibility.now,
            MESSAGE.c.source == Source.SCHEDULER,
            MESSAGE.c.district_id == visibility.district.id,
            MESSAGE.c.created_at >= criteria.created_from,
            MESSAGE.c.created_at < criteria.created_until,
        )
        .order_by(MESSAGE.c.scheduled_at)
        .limit(1)
    )
    if visibility.school_ids is not None:
        statement = statement.where(any_of(MESSAGE.c.school_id, visibility.school_ids))
    at: datetime | None = await connection.scalar(statement)
    return at
