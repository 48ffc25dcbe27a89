"""The promise: a purge keeps the figures of an old message and nothing of its recipients."""

import itertools
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from db.audit.entries import Action
from db.connect.database import Database
from db.tables.log import (
    ADDRESS,
    DELIVERY,
    DISTRICT,
    MESSAGE,
    PERSON,
    PERSON_NAME,
    RECIPIENT,
    TALLY,
)
from db.tables.operations import AUDIT, REPORT
from delivery.upkeep.purge import PurgeProgress, preview_purge, run_purge
from domain.report import ReportDetail, ReportDevice, ReportFormat, ReportStatus
from domain.status import DeliveryStatus, MessageStatus
from resolvers.audit.recount import check
from tests.delivery.reports.printing import made, make_reports, printing, requested_report
from tests.delivery.upkeep.purges import (
    NEWER,
    OLD,
    OLD_MESSAGE,
    WORDS,
    load_old,
    places_with,
    purge_of,
    rows,
)
from tests.delivery.world import World
from tests.log import NOON, district, email, load, message, recipient

ROOT: Final = Path(__file__).parents[3]


async def test_nothing_of_the_recipients_is_left_in_any_table(
    database: Database, tmp_path: Path
) -> None:
    await load_old(database)
    assert {table for table, _ in await places_with(database, *WORDS)} == {
        *("address", "cancellation", "content", "delivery", "person", "person_name", "recipient")
    }

    progress = await run_purge(purge_of(database, tmp_path))

    assert progress == PurgeProgress(messages=1, recipients=4, deliveries=6)
    assert await places_with(database, *WORDS) == []


async def test_a_person_in_another_list_keeps_the_name_from_there(
    database: Database, tmp_path: Path
) -> None:
    await load_old(database)

    await run_purge(purge_of(database, tmp_path))

    people = await rows(database, PERSON.c.external_id, PERSON.c.name)
    assert [row for row in people if row[1]] == [
        ("p-stays", "Stays, Now"),
        ("s-stays", "Kid, Now"),
    ]
    assert await rows(database, PERSON_NAME.c.key) == [("kid, now",), ("stays, now",)]
    assert await rows(database, ADDRESS.c.key) == [("stays@nomail.example",)]


PEOPLE = st.builds(
    recipient,
    st.sampled_from(["p1", "p2", "p3"]),
    st.sampled_from(["a@nomail.example", "b@nomail.example", "c@nomail.example"]).map(email),
    name=st.sampled_from(["Ann", "Ann B", "B", "Bo"]),
    student=st.sampled_from([None, ("p1", "Ann"), ("s1", "B"), ("s1", "Cy"), ("s2", "Ann B")]),
)
LISTS = st.lists(st.tuples(st.booleans(), st.lists(PEOPLE, max_size=4)), max_size=5)


NUMBERS = itertools.count()


async def known_in(database: Database, district_: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows about the people of a district."""
    found = select(DISTRICT.c.id).where(DISTRICT.c.external_id == district_)
    of_district = found.scalar_subquery()
    here = select(MESSAGE.c.id).where(MESSAGE.c.district_id == of_district)
    statements = {
        "people": select(PERSON.c.role, PERSON.c.external_id, PERSON.c.name, PERSON_NAME.c.key)
        .join(PERSON_NAME, PERSON_NAME.c.person_id == PERSON.c.id)
        .where(PERSON.c.district_id == of_district),
        "addresses": select(ADDRESS.c.kind, ADDRESS.c.key).where(
            ADDRESS.c.district_id == of_district
        ),
        "recipients": select(MESSAGE.c.external_id, RECIPIENT.c.number, RECIPIENT.c.name)
        .join(MESSAGE, MESSAGE.c.id == RECIPIENT.c.message_id)
        .where(RECIPIENT.c.message_id.in_(here)),
        "deliveries": select(MESSAGE.c.external_id, DELIVERY.c.recipient_number, ADDRESS.c.key)
        .join(MESSAGE, MESSAGE.c.id == DELIVERY.c.message_id)
        .join(ADDRESS, ADDRESS.c.id == DELIVERY.c.address_id)
        .where(DELIVERY.c.message_id.in_(here)),
    }
    async with database.reading() as connection:
        return {
            name: sorted(tuple(row) for row in await connection.execute(statement))
            for name, statement in statements.items()
        }


@given(lists=LISTS, at_once=st.integers(1, 4))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_rest_is_as_if_the_old_message_had_never_come(
    database: Database, tmp_path: Path, lists: list[tuple[bool, Any]], at_once: int
) -> None:
    """With any sharing of people, names, students and addresses between messages."""
    whole, newer = f"whole-{(n := next(NUMBERS))}", f"newer-{n}"

    def lines(of: str, *, with_old: bool) -> list[bytes]:
        return [
            message(f"M-{n}", people, district=of, created_at=OLD if is_old else NOON)
            for n, (is_old, people) in enumerate(lists)
            if with_old or not is_old
        ]

    await load(database, district(newer), *lines(newer, with_old=False))
    await load(database, district(whole), *lines(whole, with_old=True))

    await run_purge(purge_of(database, tmp_path, rows=at_once, district=whole))

    assert await known_in(database, whole) == await known_in(database, newer)
    assert (await check(database)).is_clean


async def test_an_opted_out_number_is_kept(database: Database, tmp_path: Path) -> None:
    await load_old(database)
    async with database.writing() as connection:
        await connection.execute(
            update(ADDRESS).where(ADDRESS.c.key == "+16125550100").values(opted_out_at=OLD)
        )

    await run_purge(purge_of(database, tmp_path))

    assert await rows(database, ADDRESS.c.key) == [("+16125550100",), ("stays@nomail.example",)]


async def test_ids_of_removed_people_are_not_reused(database: Database, tmp_path: Path) -> None:
    await load(database, district(), OLD_MESSAGE)
    before = {id for (id,) in await rows(database, PERSON.c.id)}

    await run_purge(purge_of(database, tmp_path))
    await load(database, message("M-9", [recipient("p-new", name="New")]))

    async with database.reading() as connection:
        new = await connection.scalar(select(PERSON.c.id).where(PERSON.c.external_id == "p-new"))
    assert new not in before


async def test_the_figures_stay_and_pass_the_check(database: Database, tmp_path: Path) -> None:
    await load_old(database)
    kept = (
        *(MESSAGE.c.external_id, MESSAGE.c.subject, MESSAGE.c.sender_name, MESSAGE.c.status),
        *(MESSAGE.c.people, MESSAGE.c.people_without_device, MESSAGE.c.people_contacted),
    )
    before = await rows(database, *kept)

    await run_purge(purge_of(database, tmp_path))

    assert await rows(database, *kept) == before
    finding = await check(database)
    assert (finding.is_clean, finding.differences, finding.faults) == (True, [], [])


@pytest.mark.parametrize("status", MessageStatus)
async def test_recorded_messages_are_purged_in_any_status(
    database: Database, tmp_path: Path, status: MessageStatus
) -> None:
    devices = [
        email(f"{of}@nomail.example", status=of)
        for of in (DeliveryStatus.PENDING, DeliveryStatus.IN_PROGRESS, DeliveryStatus.SENT)
    ]
    sent = message("E-1", [recipient("p1", *devices)], created_at=OLD, status=status)
    await load(database, district(), sent)
    before = await rows(database, *TALLY.c)

    done = await run_purge(purge_of(database, tmp_path))

    assert (done.messages, done.recipients, done.deliveries) == (1, 1, 3)
    left = [await rows(database, *table.primary_key) for table in (RECIPIENT, DELIVERY, ADDRESS)]
    assert left == [[], [], []]
    assert await rows(database, *TALLY.c) == before
    assert await rows(database, MESSAGE.c.status) == [(status,)]
    assert (await check(database)).is_clean


async def test_the_check_finds_a_recipient_that_a_purge_left(
    database: Database, tmp_path: Path
) -> None:
    await load_old(database)
    async with database.writing() as connection:
        await connection.execute(
            update(MESSAGE).where(MESSAGE.c.external_id == "OLD").values(purged_at=NOON)
        )

    finding = await check(database)

    assert [tuple(found) for found in finding.differences] == [
        ("OLD", "recipients after its purge", "0", "4")
    ]


async def test_each_message_is_in_the_audit_once_with_who_and_when(
    database: Database, tmp_path: Path
) -> None:
    await load_old(database)

    await run_purge(purge_of(database, tmp_path))
    await run_purge(purge_of(database, tmp_path))

    columns = (AUDIT.c.viewer_id, AUDIT.c.action, AUDIT.c.subject, AUDIT.c.request_id, AUDIT.c.at)
    assert await rows(database, *columns) == [
        ("os:clerk", Action.PURGE_MESSAGE.value, "message.1", "run-1", NOON)
    ]


async def test_a_second_purge_does_nothing(database: Database, tmp_path: Path) -> None:
    await load_old(database)
    await run_purge(purge_of(database, tmp_path))
    before = await World(database).everything()

    assert await run_purge(purge_of(database, tmp_path)) == PurgeProgress()
    assert await World(database).everything() == before


async def test_what_was_removed_does_not_come_in_again(database: Database, tmp_path: Path) -> None:
    await load_old(database)
    await run_purge(purge_of(database, tmp_path))

    again = await load(database, OLD_MESSAGE, NEWER)

    assert (again.accepted, again.unchanged, again.refused) == (0, 2, 0)
    assert await places_with(database, *WORDS) == []


async def test_a_dry_run_counts_and_changes_nothing(database: Database, tmp_path: Path) -> None:
    await load_old(database)
    await load(
        database,
        district("north", name="North"),
        message("N-1", [recipient("p1", email())], district="north", created_at=OLD, status=None),
    )
    before = await World(database).everything()

    found = await preview_purge(purge_of(database, tmp_path))

    assert [tuple(one) for one in found] == [("plainview", 1, 3, 6, 0), ("north", 0, 0, 0, 1)]
    assert await World(database).everything() == before


# Reports and files


def report(**fields: Any) -> dict[str, Any]:
    return {
        "message_id": 1,
        "district_id": 1,
        "devices": [ReportDevice.EMAIL],
        "detail": ReportDetail.ALL,
        "format": ReportFormat.CSV,
        "is_masked": False,
        "time_zone": "America/Chicago",
        "status": ReportStatus.READY,
        "progress_percent": 100,
        "requested_by_id": "u1",
        "requested_by_name": "Clerk",
        "requested_at": NOON - timedelta(hours=1),
        "expires_at": NOON + timedelta(hours=23),
        "file_name": "Report.csv",
        "attempts": 1,
    } | fields


async def test_reports_that_tell_of_recipients_go_with_their_files(
    database: Database, tmp_path: Path
) -> None:
    await load_old(database)
    made = [
        report(id=1, file_key="1.t.csv"),
        report(id=2, detail=ReportDetail.SUMMARY, file_key="2.t.csv"),
        report(id=3, detail=ReportDetail.SUMMARY, requested_at=NOON, file_key="3.t.csv"),
        report(id=4, message_id=2, file_key="4.t.csv"),
        report(id=5, status=ReportStatus.RENDERING, claim="c", lease_until=NOON),
    ]
    folder = tmp_path / "reports"
    folder.mkdir()
    for one in made[:4]:
        (folder / f"{one['id']}.t.csv").write_text("rows")
    async with database.writing() as connection:
        for one in made:
            await connection.execute(insert(REPORT).values(one))

    await run_purge(purge_of(database, tmp_path))

    assert sorted(file.name for file in folder.iterdir()) == ["3.t.csv", "4.t.csv"]
    assert await rows(
        database, REPORT.c.id, REPORT.c.status, REPORT.c.file_key, REPORT.c.claim
    ) == [
        (1, ReportStatus.EXPIRED, None, None),
        (2, ReportStatus.EXPIRED, None, None),
        (3, ReportStatus.READY, "3.t.csv", None),
        (4, ReportStatus.READY, "4.t.csv", None),
        (5, ReportStatus.EXPIRED, None, None),
    ]


async def test_a_summary_of_a_purged_message_shows_when_the_recipients_were_removed(
    database: Database, tmp_path: Path
) -> None:
    await load_old(database)
    await run_purge(purge_of(database, tmp_path))
    report_runtime = printing(database, tmp_path / "later")

    await requested_report(report_runtime, 1, detail=ReportDetail.SUMMARY)
    assert await make_reports(report_runtime) == 1

    lines = (await made(report_runtime)).decode("utf-8-sig").splitlines()
    assert [
        line.rstrip(",") for line in lines if line.startswith(("Total Recip", "Recipients Rem"))
    ] == [
        "Total Recipients,3",
        "Recipients Removed,01/31/2020 12:00 PM",
    ]


def trigrams(*texts: str) -> set[str]:
    """Return the trigrams of these texts in SQLite's index, where each text ends with two line feeds."""
    ended = [text + 2 * chr(10) for text in texts]
    return {text[place : place + 3] for text in ended for place in range(len(text) - 2)}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_file_of_sqlite_keeps_no_trace_of_what_was_deleted(
    database: Database, tmp_path: Path
) -> None:
    await load_old(database)
    assert database.engine.url.database is not None
    file = Path(database.engine.url.database)

    def traces() -> set[str]:
        files = [file, file.with_name(f"{file.name}-wal")]
        whole = b"".join(one.read_bytes() for one in files if one.exists()).lower()
        return {word for word in WORDS if word.encode() in whole}

    assert traces() == set(WORDS)

    await run_purge(purge_of(database, tmp_path))

    assert traces() == set()
    async with database.reading() as connection:
        kept = await connection.exec_driver_sql("SELECT DISTINCT term FROM person_name_terms")
        assert {term for (term,) in kept} == trigrams("kid, now", "stays, now")
