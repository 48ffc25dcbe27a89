"""What a viewer may see: one predicate, in every statement that reads messages (decision 10)."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.log.districts import DistrictRecord, district_known_as
from db.sql.key_lists import any_of, any_of_parameter, is_there, text_any_of
from db.tables.log import MESSAGE, SCHOOL
from domain.viewer import Viewer


class Visibility(NamedTuple):
    """A district, the schools that a viewer is limited to (None: no limit), and the moment at which it looks (UTC)."""

    district: DistrictRecord
    school_ids: tuple[int, ...] | None
    now: datetime


async def visibility_of(
    connection: AsyncConnection, viewer: Viewer, *, now: datetime
) -> Visibility | None:
    """What `viewer` may see; None where the log does not know the district. Schools it does not know hide everything."""
    district = await district_known_as(connection, viewer.district)
    if district is None:
        return None
    if not viewer.schools:
        return Visibility(district, None, now)
    rows = await connection.scalars(
        select(SCHOOL.c.id).where(
            SCHOOL.c.district_id == district.id,
            text_any_of(SCHOOL.c.external_id, sorted(viewer.schools)),
        )
    )
    return Visibility(district, tuple(rows), now)


def visible(visibility: Visibility) -> ColumnElement[bool]:
    """Whether a message may be seen: of the district, of the schools, and not before a scheduler's time."""
    schools = visibility.school_ids
    return _visible(
        visibility.district.id,
        visibility.now,
        None if schools is None else any_of(MESSAGE.c.school_id, schools),
    )


def visible_by_parameters(*, limited: bool) -> ColumnElement[bool]:
    """The same in a statement that is kept, and is asked with what `seen` says of a viewer who is `limited` to schools or not."""
    return _visible(
        bindparam("district"),
        bindparam("now"),
        any_of_parameter(MESSAGE.c.school_id, "schools") if limited else None,
    )


def seen(visibility: Visibility) -> dict[str, Any]:
    """What a statement with `visible_by_parameters` is asked with."""
    return {
        "district": visibility.district.id,
        "now": visibility.now,
        "schools": visibility.school_ids,
    }


def _visible(
    district: Any, now: Any, is_of_schools: ColumnElement[bool] | None
) -> ColumnElement[bool]:
    parts = [MESSAGE.c.district_id == district, MESSAGE.c.visible_from <= now]
    return and_(*parts) if is_of_schools is None else and_(*parts, is_of_schools)


def is_of_visible(message_id: Any, visibility: Visibility) -> ColumnElement[bool]:
    """Whether the message to which a row belongs may be seen: asked of the rows that were found, and never the way to them."""
    return is_there(select(MESSAGE.c.id).where(MESSAGE.c.id == message_id, visible(visibility)))
