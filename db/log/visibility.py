"""The messages that a viewer may see: one predicate, in every statement that reads messages."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, select

from db.log.districts import DistrictRecord, SchoolRecord, district_known_as
from db.sql.connections import ReadConnection
from db.sql.key_lists import any_of, any_of_parameter, is_there, text_any_of
from db.tables.log import MESSAGE, SCHOOL
from domain.viewer import Viewer


class Visibility(NamedTuple):
    """A district, the schools that a viewer is limited to (None: no limit), and the time of the request (UTC)."""

    district: DistrictRecord
    school_ids: tuple[int, ...] | None
    now: datetime

    def shows(self, school: SchoolRecord) -> bool:
        """Return whether the viewer may see this school."""
        is_seen = self.school_ids is None or school.id in self.school_ids
        return is_seen and school.district_id == self.district.id


async def visibility_of(
    connection: ReadConnection, viewer: Viewer, *, now: datetime
) -> Visibility | None:
    """Return the visibility of `viewer`; None if its district is unknown. If all its schools are unknown, it sees no message."""
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
    """Return the condition that a message is visible: of the district and the schools, and not before its scheduled time."""
    schools = visibility.school_ids
    return _visible(
        visibility.district.id,
        visibility.now,
        None if schools is None else any_of(MESSAGE.c.school_id, schools),
    )


def visible_by_parameters(*, limited: bool) -> ColumnElement[bool]:
    """Return the condition of `visible` with the parameters of `visibility_parameters`; `limited`: to some schools."""
    return _visible(
        bindparam("district"),
        bindparam("now"),
        any_of_parameter(MESSAGE.c.school_id, "schools") if limited else None,
    )


def visibility_parameters(visibility: Visibility) -> dict[str, Any]:
    """Return the parameters of a statement with `visible_by_parameters`."""
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
    """Return the condition that the message of a row is visible, evaluated per row and never used as an access path."""
    return is_there(select(MESSAGE.c.id).where(MESSAGE.c.id == message_id, visible(visibility)))


def is_of_visible_by_parameters(message_id: Any, *, limited: bool) -> ColumnElement[bool]:
    """Return the condition of `is_of_visible` with the parameters of `visibility_parameters`; `limited`: to some schools."""
    return is_there(
        select(MESSAGE.c.id).where(
            MESSAGE.c.id == message_id, visible_by_parameters(limited=limited)
        )
    )
