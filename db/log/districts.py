"""Districts and their schools, by our ids and by those of the sending system."""

from collections.abc import Mapping, Sequence
from datetime import time
from typing import NamedTuple

from sqlalchemy import exists, func, insert, select, true, update

from db.connect.single_statement import Source, rows_of
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.key_lists import any_of, any_of_parameter
from db.tables.log import ADDRESS, DISTRICT, MESSAGE, SCHOOL
from domain.call_window import CallWindow


class DistrictRecord(NamedTuple):
    """A district; calls may be placed from `call_from` until `call_until`, or always if None."""

    id: int
    external_id: str
    name: str
    time_zone: str
    has_voice: bool
    country: str
    call_from: time | None
    call_until: time | None

    @property
    def call_window(self) -> CallWindow | None:
        """When calls may be placed; None: at any time."""
        if self.call_from is None or self.call_until is None:
            return None
        return CallWindow(self.call_from, self.call_until, self.time_zone)


class DistrictRow(NamedTuple):
    """What an upload says of a district; calls may be placed from `call_from` until `call_until`, or always if None."""

    name: str
    time_zone: str
    has_voice: bool
    country: str
    call_from: time | None
    call_until: time | None


class SchoolRecord(NamedTuple):
    """A school."""

    id: int
    district_id: int
    external_id: str
    name: str
    key: str


_DISTRICT = select(*DISTRICT.c[DistrictRecord._fields])
_SCHOOL = select(*SCHOOL.c[SchoolRecord._fields])
_SCHOOLS = _SCHOOL.where(any_of_parameter(SCHOOL.c.id, "ids"))


async def district_known_as(connection: ReadConnection, external_id: str) -> DistrictRecord | None:
    """Return the district with this id of the sending system; None if there is none."""
    row = (await connection.execute(_DISTRICT.where(DISTRICT.c.external_id == external_id))).first()
    return None if row is None else DistrictRecord(*row)


async def districts(connection: ReadConnection, ids: Sequence[int]) -> Mapping[int, DistrictRecord]:
    """Return the districts with these ids."""
    rows = await connection.execute(_DISTRICT.where(any_of(DISTRICT.c.id, ids)))
    return {row.id: DistrictRecord(*row) for row in rows}


async def schools(source: Source, ids: Sequence[int]) -> Mapping[int, SchoolRecord]:
    """Return the schools with these ids."""
    rows = await rows_of(source, _SCHOOLS, {"ids": ids})
    return {row[0]: SchoolRecord(*row) for row in rows}


async def schools_of(connection: ReadConnection, district_id: int) -> Sequence[SchoolRecord]:
    """Return all schools of a district, by name."""
    rows = await connection.execute(
        _SCHOOL.where(SCHOOL.c.district_id == district_id).order_by(SCHOOL.c.key, SCHOOL.c.id)
    )
    return [SchoolRecord(*row) for row in rows]


async def school_known_as(
    connection: ReadConnection, district_id: int, external_id: str
) -> SchoolRecord | None:
    """Return the school of a district with this id of the sending system; None if there is none."""
    statement = _SCHOOL.where(
        SCHOOL.c.district_id == district_id, SCHOOL.c.external_id == external_id
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else SchoolRecord(*row)


async def has_messages(connection: ReadConnection, district_id: int) -> bool:
    """Return whether a district has any message."""
    return bool(
        await connection.scalar(select(exists().where(MESSAGE.c.district_id == district_id)))
    )


async def add_district(connection: WriteConnection, external_id: str, row: DistrictRow) -> None:
    """Insert a district. Numbers that opted out of texts in other districts are opted out here too."""
    await connection.execute(insert(DISTRICT).values(external_id=external_id, **row._asdict()))
    await _copy_opt_outs(connection, external_id)


async def _copy_opt_outs(connection: WriteConnection, external_id: str) -> None:
    """Copy the numbers that opted out of texts from the other districts to a new one."""
    columns = ("district_id", "kind", "key", "opted_out_at")
    opted_out = (
        select(DISTRICT.c.id, ADDRESS.c.kind, ADDRESS.c.key, func.max(ADDRESS.c.opted_out_at))
        .join(ADDRESS, true())
        .where(DISTRICT.c.external_id == external_id, ADDRESS.c.opted_out_at.is_not(None))
        .group_by(DISTRICT.c.id, ADDRESS.c.kind, ADDRESS.c.key)
        .order_by(ADDRESS.c.key)
    )
    await connection.execute(insert(ADDRESS).from_select(columns, opted_out))


async def change_district(connection: WriteConnection, district_id: int, row: DistrictRow) -> None:
    """Update a district."""
    await connection.execute(
        update(DISTRICT).where(DISTRICT.c.id == district_id).values(row._asdict())
    )


async def add_school(
    connection: WriteConnection, external_id: str, *, district_id: int, name: str, key: str
) -> None:
    """Insert a school."""
    await connection.execute(
        insert(SCHOOL).values(external_id=external_id, district_id=district_id, name=name, key=key)
    )


async def rename_school(
    connection: WriteConnection, school_id: int, *, name: str, key: str
) -> None:
    """Rename a school, also in the sort key of its messages."""
    await connection.execute(
        update(SCHOOL).where(SCHOOL.c.id == school_id).values(name=name, key=key)
    )
    await connection.execute(
        update(MESSAGE).where(MESSAGE.c.school_id == school_id).values(school_key=key)
    )
