"""The districts and schools of an upload: finds and updates them, and checks who may write for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import Final

from msgspec import structs

from db.connect.database import Database
from db.ingest import move_in
from db.log import districts
from db.log.districts import DistrictRecord, SchoolRecord
from db.sql.connections import ReadConnection, WriteConnection
from domain.phone_numbers import DEFAULT_COUNTRY
from domain.viewer import Viewer
from resolvers.ingest import rows
from resolvers.ingest.line_types import BadLine, UploadedDistrict, UploadedMessage, UploadedSchool

MOST_PLACES: Final = 64
"""Maximum districts to remember, each with its schools; a file may name any number."""


@dataclass(slots=True)
class DistrictEntry:
    """A district with its schools by their external ids."""

    record: DistrictRecord
    hours: tuple[time, time] | None
    schools: dict[str, SchoolRecord]


class Districts:
    """The districts and schools of one upload; `viewer` None may write for all of them."""

    def __init__(
        self, database: Database, connection: ReadConnection, *, viewer: Viewer | None
    ) -> None:
        self._database = database
        self._connection = connection
        self._viewer = viewer
        self._known: dict[str, DistrictEntry] = {}

    async def find(self, district: str) -> DistrictEntry | None:
        """The district with this external id, if there is one."""
        if place := self._known.get(district):
            return place
        async with self._connection.begin():
            record = await districts.district_known_as(self._connection, district)
            if record is None:
                return None
            hours = await move_in.call_hours(self._connection, record.id)
            schools = await districts.schools_of(self._connection, record.id)
        if len(self._known) >= MOST_PLACES:
            del self._known[next(iter(self._known))]
        place = DistrictEntry(record, hours, {school.external_id: school for school in schools})
        self._known[district] = place
        return place

    async def of_message(self, line: UploadedMessage) -> tuple[DistrictEntry, SchoolRecord | None]:
        """The district and school of a message. Raises `BadLine` if they do not exist, or the viewer may not write for them."""
        self._check_district(line.district, "district")
        if limit := self._limit():
            if line.school is None:
                raise BadLine(
                    "school", f"it is missing: your sign-in writes for these schools only: {limit}"
                )
            self._check_school(line.school, "school")
        place = await self.find(line.district)
        if place is None:
            raise BadLine("district", f"no district {line.district!r} came before this line")
        school = None
        if line.school is not None:
            school = place.schools.get(line.school)
            if school is None:
                raise BadLine(
                    "school",
                    f"no school {line.school!r} of district {line.district!r} came before this line",
                )
        return place, school

    async def has(self, line: UploadedDistrict | UploadedSchool) -> bool:
        """Whether the log has exactly this district or school. Raises `BadLine` if the viewer may not write it."""
        if isinstance(line, UploadedDistrict):
            self._check_district(line.id, "id")
            place = await self.find(line.id)
            normalized = structs.replace(line, country=line.country or DEFAULT_COUNTRY)
            return place is not None and normalized == _line_of(place)
        self._check_district(line.district, "district")
        self._check_school(line.id, "id")
        place = await self.find(line.district)
        stored = None if place is None else place.schools.get(line.id)
        return stored is not None and stored.name == line.name

    async def save(self, line: UploadedDistrict | UploadedSchool) -> None:
        """Add or update the district or school. Raises `BadLine` if the viewer may not (see `has`)."""
        async with self._database.begin_writing(self._connection) as connection:
            # Another upload may save the same one now; the lock ensures that the second finds it.
            await move_in.take_lock(connection)
            if isinstance(line, UploadedDistrict):
                await self._save_district(connection, line)
            else:
                await self._save_school(connection, line)

    async def _save_district(self, connection: WriteConnection, line: UploadedDistrict) -> None:
        if limit := self._limit():
            raise BadLine(
                "id",
                f"{line.id!r} differs from what is known: your sign-in writes for these schools only: {limit}",
            )
        record = await districts.district_known_as(connection, line.id)
        zone, country = line.timeZone, line.country or DEFAULT_COUNTRY
        hours = line.hours() or (None, None)
        row = districts.DistrictRow(line.name, zone, line.hasVoice, country, *hours)
        if record is None:
            await districts.add_district(connection, line.id, row)
            return
        if zone != record.time_zone and await districts.has_messages(connection, record.id):
            raise BadLine(
                "timeZone",
                f"{zone!r}: the messages of {line.id!r} are dated in {record.time_zone!r}, which stays",
            )
        await districts.change_district(connection, record.id, row)
        self._known.pop(line.id, None)

    async def _save_school(self, connection: WriteConnection, line: UploadedSchool) -> None:
        district = await districts.district_known_as(connection, line.district)
        if district is None:
            raise BadLine("district", f"no district {line.district!r} came before this line")
        key = rows.key(line.name, "name")
        stored = await districts.school_known_as(connection, district.id, line.id)
        if stored is None:
            await districts.add_school(
                connection, line.id, district_id=district.id, name=line.name, key=key
            )
        else:
            await districts.rename_school(connection, stored.id, name=line.name, key=key)
        saved = await districts.school_known_as(connection, district.id, line.id)
        if saved is not None and (place := self._known.get(line.district)):
            place.schools[line.id] = saved

    def _limit(self) -> str:
        """The schools that the viewer is limited to, as text; empty without a limit."""
        schools: Sequence[str] = sorted(self._viewer.schools) if self._viewer else ()
        return ", ".join(schools)

    def _check_district(self, district: str, field: str) -> None:
        if self._viewer is not None and district != self._viewer.district:
            raise BadLine(
                field,
                f"{district!r}: your sign-in writes for district {self._viewer.district!r} only",
            )

    def _check_school(self, school: str, field: str) -> None:
        if self._viewer and self._viewer.schools and school not in self._viewer.schools:
            raise BadLine(
                field, f"{school!r}: your sign-in writes for these schools only: {self._limit()}"
            )


def _line_of(place: DistrictEntry) -> UploadedDistrict:
    """The line that describes a known district."""
    record, hours = place.record, place.hours
    window = None if hours is None else (f"{hours[0]:%H:%M}", f"{hours[1]:%H:%M}")
    return UploadedDistrict(
        record.external_id,
        record.name,
        record.time_zone,
        record.has_voice,
        window,
        record.country,
    )
