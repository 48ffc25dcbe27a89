"""Plainview Schools: the district of the sample, and its schools."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from server.sample.line import DistrictLine, Line

ZONE: Final = ZoneInfo("America/Chicago")

DISTRICT: Final[DistrictLine] = {
    "kind": "district",
    "id": "plainview",
    "name": "Plainview Schools",
    "timeZone": ZONE.key,
    "hasVoice": True,
    "callWindow": ("08:00", "20:00"),
}


@dataclass(frozen=True, slots=True)
class SampleSchool:
    """A school; `grades` are its first and last one, kindergarten is 0."""

    id: str
    name: str
    level: str
    grades: tuple[int, int]


HARRISON: Final = SampleSchool("harrison-high", "Harrison High", "high", (9, 12))
SCHOOLS: Final = (
    HARRISON,
    SampleSchool("plainview-middle", "Plainview Middle", "middle", (6, 8)),
    SampleSchool("lincoln-elementary", "Lincoln Elementary", "elementary", (0, 5)),
    SampleSchool("washington-elementary", "Washington Elementary", "elementary", (0, 5)),
    SampleSchool("prairie-view-elementary", "Prairie View Elementary", "elementary", (0, 5)),
    SampleSchool("plainview-alc", "Plainview Area Learning Center", "high", (11, 12)),
)


def opening() -> Iterator[Line]:
    """The lines of the district and its schools, which come before all messages."""
    yield DISTRICT
    for school in SCHOOLS:
        yield {"kind": "school", "id": school.id, "district": DISTRICT["id"], "name": school.name}
