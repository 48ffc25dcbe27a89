"""Reports on people: what one family was sent, and the worklist as a file."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from db.connect.database import Database
from delivery.reports.failures import FailureKind, viewer_message
from delivery.reports.jobs import ReportRuntime
from delivery.reports.sources import pages
from delivery.upkeep.purge import run_purge
from domain.report import ReportStatus
from domain.status import DeliveryStatus
from domain.viewer import Right, Viewer
from tests.delivery.reports.printing import made, make_reports, printing, row
from tests.delivery.upkeep.purges import load_old, purge_of
from tests.log import NOON, email, message, person_ids, recipient, school, text, viewer, voice
from tests.operations import ask
from tests.resolvers.world import World
from tests.statements import recorded

SHOWN: Final = """report { id kind fileName format devices detail message { id }
  about { __typename ... on Person { id name } ... on Student { id name } } }"""
FAMILY: Final = f"""mutation($input: CreateFamilyReportInput!) {{
  createFamilyReport(input: $input) {{ __typename
    ... on NotFound {{ message }} ... on CreateFamilyReportSuccess {{ {SHOWN} }} }} }}"""
PROBLEMS: Final = f"""mutation($input: CreateContactProblemReportInput!) {{
  createContactProblemReport(input: $input) {{ __typename
    ... on NotFound {{ message }} ... on CreateContactProblemReportSuccess {{ {SHOWN} }} }} }}"""
RESOLVE: Final = """mutation($note: String) {
  resolveContactProblem(input: {addressId: "address.4", note: $note}) { __typename } }"""
EVERY_DAY: Final = {"from": "1900-01-01", "to": "9999-12-31"}
DAYS: Final = {"from": "2020-01-01", "to": "2020-12-31"}
HEATHER: Final[Mapping[str, Any]] = {
    "personId": "person.1",
    "createdBetween": DAYS,
    "format": "CSV",
}
EAST: Final = viewer(id="east", schools=["east"])
WEST: Final = viewer(id="west", schools=["west"])
MASKED: Final = viewer(id="clerk", rights=set(Right) - {Right.VIEW_RECIPIENTS})


@pytest.fixture
async def world(database: Database) -> World:
    """Heather is sent two messages by the east and one by the west, about Calvin and Karen; Tad is sent one about Karen."""
    world = World(database)
    calvin, karen = ("s1", "Student, Calvin"), ("s2", "Student, Karen")
    heather = {"person": "p1", "name": "Parent, Heather"}
    await world.take(
        school("east", name="East High"),
        school("west", name="West High"),
        message(
            "M-1",
            [
                recipient(
                    *("p1", voice(call_status=5, at=NOON), email(status=DeliveryStatus.FAILED, at=NOON)),
                    name=heather["name"],
                    student=calvin,
                ),
            ],
            school="east",
            subject="Late",
            category="Attendance",
            created_at=NOON - timedelta(hours=3),
        ),
        message(
            "M-2",
            [
                recipient("p1", name=heather["name"], student=karen),
                recipient("p2", text("+16125550102", call_status=-28, at=NOON), name="Parent, Tad", student=karen),
            ],
            school="west",
            subject="Absent",
            created_at=NOON - timedelta(hours=2),
        ),
        message(
            "M-3",
            [recipient("p1", voice("+16125550103", call_status=3, at=NOON), name=heather["name"], student=calvin)],
            school="east",
            subject="Snow",
            created_at=NOON - timedelta(hours=1),
        ),
    )  # fmt: skip
    return world


@pytest.fixture
def report_runtime(database: Database, tmp_path: Path) -> ReportRuntime:
    return printing(database, tmp_path / "store")


async def requested(
    world: World, document: str, input: Mapping[str, Any], *, viewer: Viewer | None = None
) -> Mapping[str, Any]:
    """The report of a mutation."""
    answer = await world.do(document, viewer=viewer, input=dict(input))
    report: Mapping[str, Any] = answer["report"]
    return report


async def rows_of(report_runtime: ReportRuntime, id: int = 1) -> list[str]:
    """Make a report, and return the lines of its table."""
    assert await make_reports(report_runtime) == 1
    head, _, rows = (await made(report_runtime, id)).decode("utf-8-sig").rpartition("Code,Time\r\n")
    assert head
    return rows.splitlines()


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


# What it shows


async def test_a_family_report_has_each_delivery_of_each_message_oldest_first(
    world: World, report_runtime: ReportRuntime
) -> None:
    await requested(world, FAMILY, HEATHER)

    assert await rows_of(report_runtime) == [
        '01/31/2020 09:00 AM,Behavior,Attendance,Late,"Administrator, System",East High,'
        '"Parent, Heather","Student, Calvin",+16125550101,Voice,Live Person,5,01/31/2020 12:00 PM',
        '01/31/2020 09:00 AM,Behavior,Attendance,Late,"Administrator, System",East High,'
        '"Parent, Heather","Student, Calvin",heather@nomail.example,Email,Failed,,01/31/2020 12:00 PM',
        '01/31/2020 10:00 AM,Behavior,,Absent,"Administrator, System",West High,'
        '"Parent, Heather","Student, Karen",No Device,,,,',
        '01/31/2020 11:00 AM,Behavior,,Snow,"Administrator, System",East High,'
        '"Parent, Heather","Student, Calvin",+16125550103,Voice,Not In Service,3,01/31/2020 12:00 PM',
    ]


async def test_a_report_of_a_viewer_of_one_school_shows_nothing_of_another(
    world: World, report_runtime: ReportRuntime
) -> None:
    await requested(world, FAMILY, HEATHER, viewer=WEST)

    (row,) = await rows_of(report_runtime)
    text = (await made(report_runtime)).decode("utf-8-sig")
    assert ("Absent" in row, "Late" in text, "Calvin" in text) == (True, False, False)
    assert "\r\nSchool,West High," in text


async def test_a_report_on_a_student_has_what_each_contact_was_sent_about_that_student(
    world: World, report_runtime: ReportRuntime
) -> None:
    await requested(
        world, FAMILY, {"studentId": "student.4", "createdBetween": DAYS, "format": "CSV"}
    )

    rows = [row.split('"')[3:] for row in await rows_of(report_runtime)]
    assert [(row[0], row[2], row[3].split(",")[1]) for row in rows] == [
        ("Parent, Heather", "Student, Karen", "No Device"),
        ("Parent, Tad", "Student, Karen", "+16125550102"),
    ]


async def test_only_messages_of_the_days_are_in_it_by_the_local_midnight(
    world: World, report_runtime: ReportRuntime
) -> None:
    await world.take(
        message(
            "M-4",
            [recipient("p1", name="Parent, Heather")],
            subject="Night",
            # 23:59 on 30 January in the district
            created_at=NOON.replace(hour=5, minute=59),
        )
    )
    days = {"from": "2020-01-30", "to": "2020-01-30"}
    await requested(world, FAMILY, {**HEATHER, "createdBetween": days})

    (row,) = await rows_of(report_runtime)
    assert row.startswith("01/30/2020 11:59 PM,Behavior,,Night,")


async def test_the_summary_counts_messages_by_what_became_of_them(
    world: World, report_runtime: ReportRuntime
) -> None:
    await world.take(
        message("M-4", [recipient("p1", voice("+16125550109"))], school="west", status=None)
    )
    await requested(world, FAMILY, HEATHER)
    await rows_of(report_runtime)
    text = (await made(report_runtime)).decode("utf-8-sig")

    for label, count in (
        ("Messages", 4),
        ("Deliveries", 4),
        ("Messages that reached a person", 1),
        ("Messages in progress", 1),
        ("Messages that reached nobody", 2),
    ):
        assert f"\r\n{label},{count}," in text


async def test_pages_of_any_size_make_the_same_report(
    world: World, report_runtime: ReportRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await requested(world, FAMILY, HEATHER)
    whole = await rows_of(report_runtime)
    monkeypatch.setattr(pages, "PAGE", 1)
    world.advance(minutes=2)
    await requested(world, FAMILY, HEATHER)

    assert await rows_of(report_runtime, 2) == whole


async def test_the_worklist_has_each_address_with_its_people_and_what_to_do(
    world: World, report_runtime: ReportRuntime
) -> None:
    await requested(world, PROBLEMS, {})
    assert await make_reports(report_runtime) == 1
    lines = (await made(report_runtime)).decode("utf-8-sig").splitlines()

    assert lines[-2:] == [
        "Address,Problem,Reason,What to Do,Failures,Since,Last Failure,People,Students,Last Message,Resolution",
        "+16125550103,Does not exist,The number is not in service.,"
        "Ask the family for the current number and correct it in the student information system.,"
        '1,01/31/2020 12:00 PM,01/31/2020 12:00 PM,"Parent, Heather (p1)",'
        '"Student, Calvin (s1), Student, Karen (s2)",Snow,',
    ]


async def test_the_worklist_names_its_filter_and_shows_resolved_problems_on_request(
    world: World, report_runtime: ReportRuntime
) -> None:
    await world.do(RESOLVE, note="Asked the mother")
    wanted = {
        "kinds": ["INVALID"],
        "schoolIds": ["school.2"],
        "minFailures": 1,
        "search": "heather",
        "open": False,
    }
    await requested(world, PROBLEMS, {"filter": wanted})
    assert await make_reports(report_runtime) == 1
    text = (await made(report_runtime)).decode("utf-8-sig")

    for criterion in (
        "Show,Open and resolved problems",
        "Kind,Does not exist",
        "School,East High",
        "Search,heather",
    ):
        assert f"\r\n{criterion}," in text
    resolution = 'Resolved 01/31/2020 12:00 PM by Administrator, System: Asked the mother"'
    assert text.rstrip().endswith(resolution)


# After a purge


async def test_a_purge_removes_the_reports_on_people_of_its_district_with_their_files(
    database: Database, tmp_path: Path
) -> None:
    await load_old(database)
    world = World(database)
    await requested(world, FAMILY, {**HEATHER, "createdBetween": EVERY_DAY})
    await requested(world, PROBLEMS, {})
    run = purge_of(database, tmp_path, clock=lambda: NOON + timedelta(seconds=1))
    assert await make_reports(printing(database, Path(run.reports.address))) == 2

    await run_purge(run)

    assert sorted(os.listdir(run.reports.address)) == []
    assert [(await row(database, id)).status for id in (1, 2)] == [ReportStatus.EXPIRED] * 2


async def test_a_report_after_a_purge_counts_the_messages_whose_recipients_are_unknown(
    database: Database, tmp_path: Path
) -> None:
    await load_old(database)
    await run_purge(purge_of(database, tmp_path))
    world, report_runtime = World(database), printing(database, tmp_path / "store")
    person = (await person_ids(database))["p-stays"]
    wanted = {"personId": f"person.{person}", "createdBetween": EVERY_DAY, "format": "CSV"}
    await requested(world, FAMILY, wanted)
    (row,) = await rows_of(report_runtime)
    text = (await made(report_runtime)).decode("utf-8-sig")

    assert row.startswith("01/31/2020 12:00 PM,Behavior,,Student Behavior,")
    assert "\r\nMessages whose recipients were removed,1," in text


async def test_a_report_on_somebody_whose_messages_were_all_purged_fails_with_the_reason(
    database: Database, tmp_path: Path
) -> None:
    await load_old(database)
    world, report_runtime = World(database), printing(database, tmp_path / "store")
    person = (await person_ids(database))["p-gone"]
    await requested(world, FAMILY, {**HEATHER, "personId": f"person.{person}"})
    await run_purge(purge_of(database, tmp_path, clock=lambda: NOON - timedelta(days=1)))

    assert await make_reports(report_runtime) == 0
    found = await row(database)
    assert (found.status, found.failure) == (
        ReportStatus.FAILED,
        viewer_message(FailureKind.PERSON_PURGED),
    )


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
