"""What a viewer may see: one predicate, in every statement that reads messages (decision 10)."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.districts import DistrictRecord, district_known_as
from db.keys import any_of, is_there, text_any_of
from db.tables import MESSAGE, SCHOOL
from domain.viewer import Viewer


class Sight(NamedTuple):
    """A district, the schools that a viewer is limited to (None: no limit), and the moment at which it looks (UTC)."""

    district: DistrictRecord
    school_ids: tuple[int, ...] | None
    now: datetime


async def sight_of(connection: AsyncConnection, viewer: Viewer, *, now: datetime) -> Sight | None:
    """What `viewer` may see; None where the log does not know the district. Schools it does not know hide everything."""
    district = await district_known_as(connection, viewer.district)
    if district is None:
        return None
    if not viewer.schools:
        return Sight(district, None, now)
    rows = await connection.scalars(
        select(SCHOOL.c.id).where(
            SCHOOL.c.district_id == district.id,
            text_any_of(SCHOOL.c.external_id, sorted(viewer.schools)),
        )
    )
    return Sight(district, tuple(rows), now)


def visible(sight: Sight) -> ColumnElement[bool]:
    """Whether a message may be seen: of the district, of the schools, and not before a scheduler's time."""
    parts = [MESSAGE.c.district_id == sight.district.id, MESSAGE.c.visible_from <= sight.now]
    if sight.school_ids is not None:
        parts.append(any_of(MESSAGE.c.school_id, sight.school_ids))
    return and_(*parts)


def is_of_visible(message_id: Any, sight: Sight) -> ColumnElement[bool]:
    """Whether the message to which a row belongs may be seen: asked of the rows that were found, and never the way to them."""
    return is_there(select(MESSAGE.c.id).where(MESSAGE.c.id == message_id, visible(sight)))
