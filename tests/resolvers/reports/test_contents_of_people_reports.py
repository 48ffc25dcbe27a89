"""What reports on people show: each delivery, the worklist, and what is left after a purge."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from db.connect.database import Database
from delivery.reports.failures import FailureKind, viewer_message
from delivery.reports.jobs import ReportRuntime
from delivery.reports.sources import pages
from delivery.upkeep.purge import run_purge
from domain.report import ReportStatus
from tests.delivery.reports.printing import made, make_reports, printing, row
from tests.delivery.upkeep.purges import load_old, purge_of
from tests.log import NOON, message, person_ids, recipient, voice
from tests.resolvers.reports.people_reports import (
    DAYS,
    EVERY_DAY,
    FAMILY,
    HEATHER,
    PROBLEMS,
    RESOLVE,
    WEST,
    requested,
    two_families,
)
from tests.resolvers.world import World


@pytest.fixture
async def world(database: Database) -> World:
    return await two_families(database)


@pytest.fixture
def report_runtime(database: Database, tmp_path: Path) -> ReportRuntime:
    return printing(database, tmp_path / "store")


async def rows_of(report_runtime: ReportRuntime, id: int = 1) -> list[str]:
    """Make a report, and return the lines of its table."""
    assert await make_reports(report_runtime) == 1
    head, _, rows = (await made(report_runtime, id)).decode("utf-8-sig").rpartition("Code,Time\r\n")
    assert head
    return rows.splitlines()


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
