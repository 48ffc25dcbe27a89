"""A viewer writes only for its own district and schools."""

import pytest

from db.connect.database import Database
from resolvers.ingest.ingest import Problem
from tests.log import district, message, school, viewer
from tests.resolvers.ingest.test_ingest_refusals import PLACE
from tests.resolvers.uploads import send, story

# What a sign-in may write

EAST = viewer(schools=["east"])


OF_DISTRICT = "your sign-in writes for district 'plainview' only"
OF_SCHOOLS = "your sign-in writes for these schools only: east"


@pytest.mark.parametrize(
    ("lines", "message_id", "field", "reason"),
    [
        (message("M-1", district="riverside"), "M-1", "district", f"'riverside': {OF_DISTRICT}"),
        (message("M-1", district="nowhere"), "M-1", "district", f"'nowhere': {OF_DISTRICT}"),
        (message("M-1", school="harrison-high"), "M-1", "school", f"'harrison-high': {OF_SCHOOLS}"),
        (message("M-1", school="nowhere"), "M-1", "school", f"'nowhere': {OF_SCHOOLS}"),
        (message("M-1"), "M-1", "school", f"it is missing: {OF_SCHOOLS}"),
        (district("riverside", name="Ours now"), None, "id", f"'riverside': {OF_DISTRICT}"),
        (
            district(name="Ours now"),
            None,
            "id",
            f"'plainview' differs from what is known: {OF_SCHOOLS}",
        ),
        (school("harrison-high", name="Ours now"), None, "id", f"'harrison-high': {OF_SCHOOLS}"),
        (school("north"), None, "id", f"'north': {OF_SCHOOLS}"),
        (school("east", district="riverside"), None, "district", f"'riverside': {OF_DISTRICT}"),
    ],
)
async def test_a_sign_in_writes_for_its_own_district_and_schools_only(
    database: Database, lines: bytes, message_id: str | None, field: str, reason: str
) -> None:
    await send(database, PLACE, school("east"), district("riverside"))
    before = await story(database)

    outcome = await send(database, lines, viewer=EAST)

    assert outcome.problems == [Problem(1, message_id, field, reason)]
    assert outcome.accepted == 0
    assert await story(database) == before


async def test_a_sign_in_for_a_school_sends_what_is_known_of_the_district_and_its_own_school(
    database: Database,
) -> None:
    places = district(call_window=("08:00", "20:00")) + school("east")
    await send(database, places)
    renamed = school("east", name="East Elementary")

    outcome = await send(database, places, renamed, message("M-1", school="east"), viewer=EAST)

    assert outcome.problems == []
    assert [row[1:4] for row in (await story(database))["message"]] == [
        ("M-1", "east", "east elementary")
    ]


async def test_a_sign_in_for_a_district_writes_all_of_it(database: Database) -> None:
    lines = PLACE + message("M-1") + message("M-2", school="harrison-high")

    outcome = await send(database, lines, viewer=viewer())

    assert outcome.problems == []
    assert outcome.accepted == 2
