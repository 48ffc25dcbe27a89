"""Requesting reports on people: what is refused, when it is the same report, and who reads it."""

from collections.abc import Mapping
from typing import Any

import pytest

from db.connect.database import Database
from domain.viewer import Right, Viewer
from tests.log import message, recipient, viewer, voice
from tests.operations import ask
from tests.resolvers.reports.people_reports import (
    DAYS,
    EAST,
    FAMILY,
    HEATHER,
    MASKED,
    PROBLEMS,
    RESOLVE,
    WEST,
    requested,
    two_families,
)
from tests.resolvers.world import World
from tests.statements import recorded


@pytest.fixture
async def world(database: Database) -> World:
    return await two_families(database)


# What is requested


async def test_a_report_on_a_person_is_about_that_person_and_no_message(world: World) -> None:
    report = await requested(world, FAMILY, HEATHER)

    assert report == {
        "id": "report.1",
        "kind": "FAMILY",
        "fileName": "Family Report - Parent, Heather - 2020-01-31.csv",
        "format": "CSV",
        "devices": ["NO_DEVICE", "INBOX", "EMAIL", "VOICE_TEXT"],
        "detail": "ALL",
        "message": None,
        "about": {"__typename": "Person", "id": "person.1", "name": "Parent, Heather"},
    }
    assert [job.report_id for job in world.announced_reports] == [1]


async def test_a_report_on_a_student_is_about_that_student(world: World) -> None:
    report = await requested(world, FAMILY, {"studentId": "student.3", "createdBetween": DAYS})

    assert report["about"] == {
        "__typename": "Student",
        "id": "student.3",
        "name": "Student, Calvin",
    }
    assert report["fileName"] == "Family Report - Student, Calvin - 2020-01-31.pdf"


async def test_the_worklist_is_a_report_of_the_district(world: World) -> None:
    report = await requested(world, PROBLEMS, {})

    assert (report["kind"], report["message"], report["about"]) == ("CONTACT_PROBLEMS", None, None)
    assert report["fileName"] == "Contact Problem Report - 2020-01-31.csv"


async def test_each_request_is_in_the_audit_as_the_opening_of_what_it_shows(world: World) -> None:
    await requested(world, FAMILY, HEATHER)
    await requested(world, PROBLEMS, {})

    acts = [(action, subject) for _, action, subject, _, _ in await world.audit()]
    assert [act for act in acts if act[0] != "INGEST"] == [
        ("OPEN_PERSON", "person.1"),
        ("CREATE_REPORT", "report.1"),
        ("OPEN_CONTACT_PROBLEMS", "district.1"),
        ("CREATE_REPORT", "report.2"),
    ]


async def test_many_reports_and_whom_they_are_about_take_as_many_statements_as_one(
    world: World,
) -> None:
    ids = []
    for day in range(1, 22):
        days = {"from": f"2020-01-{day:02}", "to": "2020-12-31"}
        report = await requested(world, FAMILY, {**HEATHER, "createdBetween": days})
        ids.append(report["id"])
    document = """query($ids: [ID!]!) { nodes(ids: $ids) { ... on Report {
      kind message { id } about { ... on Person { name } } downloadUrl } } }"""
    counts = []
    for some in (ids[:1], ids):
        with recorded(world.database) as statements:
            data = await ask(world.database, document, {"ids": some}, now=world.now)
        assert len(data["nodes"]) == len(some)
        counts.append(len(statements))

    assert counts[0] == counts[1]


# What is refused


@pytest.mark.parametrize("given", [{}, {"personId": "person.1", "studentId": "student.3"}])
async def test_a_report_is_on_exactly_one_person(world: World, given: dict[str, str]) -> None:
    before = await world.all_rows()

    code, words = await world.refusal(FAMILY, input={"createdBetween": DAYS, **given})

    number = "both" if given else "none"
    assert code == "BAD_USER_INPUT"
    assert words == f"Give exactly one of input.personId and input.studentId, not {number}."
    assert await world.all_rows() == before


@pytest.mark.parametrize(
    "given",
    [
        {"personId": "person.99"},
        {"personId": "student.3"},
        {"personId": "person.3"},  # a student
        {"studentId": "student.1"},  # a contact
        {"studentId": "message.1"},
        {"personId": "person"},
    ],
    ids=str,
)
async def test_an_id_of_nobody_is_not_found(world: World, given: dict[str, str]) -> None:
    before = await world.all_rows()

    answer = await world.do(FAMILY, input={"createdBetween": DAYS, **given})

    assert answer == {
        "__typename": "NotFound",
        "message": "There is no person with this id that you may see.",
    }
    assert await world.all_rows() == before


async def test_a_person_of_another_school_is_not_found(world: World) -> None:
    answer = await world.do(
        FAMILY, viewer=EAST, input={"personId": "person.2", "createdBetween": DAYS}
    )

    assert answer["__typename"] == "NotFound"


@pytest.mark.parametrize("right", [Right.VIEW_LOG, Right.VIEW_RECIPIENTS, Right.CREATE_REPORTS])
@pytest.mark.parametrize(("document", "input"), [(FAMILY, HEATHER), (PROBLEMS, {})])
async def test_a_report_on_people_needs_each_of_three_rights(
    world: World, right: Right, document: str, input: dict[str, Any]
) -> None:
    before = await world.all_rows()
    limited = viewer(rights=set(Right) - {right})

    code, _ = await world.refusal(document, viewer=limited, input=input)

    assert code == "FORBIDDEN"
    assert await world.all_rows() == before


async def test_days_that_end_before_they_begin_are_refused(world: World) -> None:
    before = await world.all_rows()
    days = {"from": "2020-02-01", "to": "2020-01-31"}

    code, words = await world.refusal(
        FAMILY, input={"personId": "person.1", "createdBetween": days}
    )

    assert code == "BAD_USER_INPUT"
    assert words == ("The days end (2020-01-31) before they begin (2020-02-01). Exchange the two.")
    assert await world.all_rows() == before


@pytest.mark.parametrize("id", ["school.99", "message.1", "school.3"])
async def test_a_worklist_of_a_school_that_is_not_visible_is_not_found(
    world: World, id: str
) -> None:
    before = await world.all_rows()

    answer = await world.do(
        PROBLEMS, viewer=EAST, input={"filter": {"schoolIds": ["school.2", id]}}
    )

    assert answer == {
        "__typename": "NotFound",
        "message": "There is no school with one of these ids that you may see.",
    }
    assert await world.all_rows() == before


# The same request again


@pytest.mark.parametrize(("document", "input"), [(FAMILY, HEATHER), (PROBLEMS, {})])
async def test_the_same_request_within_a_minute_is_the_same_report(
    world: World, document: str, input: dict[str, Any]
) -> None:
    first = await requested(world, document, input)
    world.advance(seconds=59)
    assert await requested(world, document, input) == first
    world.advance(seconds=1)
    assert (await requested(world, document, input))["id"] == "report.2"


@pytest.mark.parametrize("document", [FAMILY, PROBLEMS])
async def test_after_a_new_message_the_same_request_is_another_report(
    world: World, document: str
) -> None:
    input: Mapping[str, Any] = HEATHER if document == FAMILY else {}
    await requested(world, document, input)
    await world.take(message("M-4", [recipient("p1", name="Parent, Heather")], school="east"))

    assert (await requested(world, document, input))["id"] == "report.2"


async def test_after_a_change_of_a_delivery_the_same_request_is_another_report(
    world: World,
) -> None:
    await world.take(
        message("M-4", [recipient("p1", voice("+16125550109"))], school="east", status=None)
    )
    await requested(world, FAMILY, HEATHER)
    await world.work()

    assert (await requested(world, FAMILY, HEATHER))["id"] == "report.2"


async def test_after_a_resolution_the_same_worklist_is_another_report(world: World) -> None:
    await requested(world, PROBLEMS, {})
    await world.do(RESOLVE)

    assert (await requested(world, PROBLEMS, {}))["id"] == "report.2"


@pytest.mark.parametrize(
    "other",
    [
        {"createdBetween": {"from": "2020-01-02", "to": "2020-12-31"}},
        {"format": "PDF"},
        {"personId": "person.2"},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_another_request_is_another_report(world: World, other: dict[str, Any]) -> None:
    await requested(world, FAMILY, HEATHER)

    assert (await requested(world, FAMILY, {**HEATHER, **other}))["id"] == "report.2"


async def test_two_viewers_who_see_different_schools_get_different_reports(world: World) -> None:
    first = await requested(world, FAMILY, HEATHER)
    again = await requested(world, FAMILY, HEATHER, viewer=viewer(schools=["east"]))

    assert again["id"] != first["id"]


# Who may read it


async def reads(world: World, who: Viewer, id: str) -> bool:
    """Whether a viewer sees a report."""
    context = await world.open(who)
    return (await context.loaders.report.load(int(id.removeprefix("report.")))) is not None


@pytest.mark.parametrize(("document", "input"), [(FAMILY, HEATHER), (PROBLEMS, {})])
async def test_only_who_sees_all_schools_of_its_requester_and_recipients_reads_a_report(
    world: World, document: str, input: dict[str, Any]
) -> None:
    of_east = (await requested(world, document, input, viewer=EAST))["id"]
    of_all = (await requested(world, document, input))["id"]
    both = viewer(schools=["east", "west"])

    assert [await reads(world, who, of_east) for who in (EAST, WEST, both, viewer(), MASKED)] == [
        *(True, False, True, True, False)
    ]
    assert [await reads(world, who, of_all) for who in (EAST, both, viewer(), MASKED)] == [
        *(False, False, True, False)
    ]
