"""The promise: of an old message the figures are left, and of its recipients nothing; whatever happens in between."""

import asyncio
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from db import purge, purge_rows
from db.audit import Action
from db.engine import reading, writing
from db.side_tables import AUDIT, PURGE, REPORT
from db.tables import ADDRESS, DELIVERY, MESSAGE, PERSON, PERSON_NAME, RECIPIENT
from delivery.purging import Progress, carry_out, outlook
from delivery.receipts import take_in
from delivery.resend import resend
from domain.receipts import Receipt
from domain.report import ReportDetail, ReportDevice, ReportFormat, ReportStatus
from domain.status import DeliveryStatus, EventSource, MessageStatus
from resolvers.backstage import to_nobody
from resolvers.check import check
from tests.delivery import workbench
from tests.delivery.purges import (
    CUT,
    NEWER,
    OLD,
    OLD_MESSAGE,
    WORDS,
    load_old,
    places_with,
    purge_of,
)
from tests.delivery.workbench import Clock, FakeGateway, bench_of, call
from tests.log import NOON, district, email, load, message, recipient

ROOT: Final = Path(__file__).parents[2]


async def rows(engine: AsyncEngine, *columns: Any) -> list[tuple[Any, ...]]:
    async with reading(engine) as connection:
        return [tuple(row) for row in await connection.execute(select(*columns).order_by(*columns))]


async def test_nothing_of_the_recipients_is_left_in_any_table(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    await load_old(engine)
    assert {table for table, _ in await places_with(engine, *WORDS)} == {
        *("address", "cancellation", "content", "delivery", "person", "person_name", "recipient")
    }

    progress = await carry_out(purge_of(engine, tmp_path))

    assert progress == Progress(messages=1, recipients=4, deliveries=6)
    assert await places_with(engine, *WORDS) == []


async def test_whoever_is_in_another_list_stays_under_the_name_there(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    await load_old(engine)

    await carry_out(purge_of(engine, tmp_path))

    people = await rows(engine, PERSON.c.external_id, PERSON.c.name)
    assert [row for row in people if row[1]] == [
        ("p-stays", "Stays, Now"),
        ("s-stays", "Kid, Now"),
    ]
    assert await rows(engine, PERSON_NAME.c.key) == [("kid, now",), ("stays, now",)]
    assert await rows(engine, ADDRESS.c.key) == [("stays@nomail.example",)]


async def test_a_number_that_asked_for_no_more_texts_is_kept(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    await load_old(engine)
    async with writing(engine) as connection:
        await connection.execute(
            update(ADDRESS).where(ADDRESS.c.key == "+16125550100").values(opted_out_at=OLD)
        )

    await carry_out(purge_of(engine, tmp_path))

    assert await rows(engine, ADDRESS.c.key) == [("+16125550100",), ("stays@nomail.example",)]


async def test_the_id_of_somebody_who_left_is_not_given_to_somebody_else(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    await load(engine, district(), OLD_MESSAGE)
    before = {id for (id,) in await rows(engine, PERSON.c.id)}

    await carry_out(purge_of(engine, tmp_path))
    await load(engine, message("M-9", [recipient("p-new", name="New")]))

    async with reading(engine) as connection:
        new = await connection.scalar(select(PERSON.c.id).where(PERSON.c.external_id == "p-new"))
    assert new not in before


async def test_the_figures_are_the_same_and_no_check_calls_them_wrong(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    await load_old(engine)
    kept = (
        *(MESSAGE.c.external_id, MESSAGE.c.subject, MESSAGE.c.sender_name, MESSAGE.c.status),
        *(MESSAGE.c.people, MESSAGE.c.people_without_device, MESSAGE.c.people_contacted),
    )
    before = await rows(engine, *kept)

    await carry_out(purge_of(engine, tmp_path))

    assert await rows(engine, *kept) == before
    finding = await check(engine)
    assert (finding.is_clean, finding.differences, finding.faults) == (True, [], [])


async def test_a_recipient_who_was_left_behind_is_found_by_a_check(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    await load_old(engine)
    async with writing(engine) as connection:
        await connection.execute(
            update(MESSAGE).where(MESSAGE.c.external_id == "OLD").values(purged_at=NOON)
        )

    finding = await check(engine)

    assert [tuple(found) for found in finding.differences] == [
        ("OLD", "recipients after its purge", "0", "4")
    ]


async def test_each_message_is_in_the_audit_once_with_who_and_when(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    await load_old(engine)

    await carry_out(purge_of(engine, tmp_path))
    await carry_out(purge_of(engine, tmp_path))

    columns = (AUDIT.c.viewer_id, AUDIT.c.action, AUDIT.c.subject, AUDIT.c.request_id, AUDIT.c.at)
    assert await rows(engine, *columns) == [
        ("os:clerk", Action.PURGE_MESSAGE.value, "message.1", "run-1", NOON)
    ]


async def test_to_purge_again_does_nothing(engine: AsyncEngine, tmp_path: Path) -> None:
    await load_old(engine)
    await carry_out(purge_of(engine, tmp_path))
    before = await workbench.everything(engine)

    assert await carry_out(purge_of(engine, tmp_path)) == Progress()
    assert await workbench.everything(engine) == before


async def test_what_was_removed_does_not_come_in_again(engine: AsyncEngine, tmp_path: Path) -> None:
    await load_old(engine)
    await carry_out(purge_of(engine, tmp_path))

    again = await load(engine, OLD_MESSAGE, NEWER)

    assert (again.accepted, again.unchanged, again.refused) == (0, 2, 0)
    assert await places_with(engine, *WORDS) == []


async def test_an_outlook_counts_and_changes_nothing(engine: AsyncEngine, tmp_path: Path) -> None:
    await load_old(engine)
    await load(
        engine,
        district("north", name="North"),
        message("N-1", [recipient("p1", email())], district="north", created_at=OLD, status=None),
    )
    before = await workbench.everything(engine)

    found = await outlook(purge_of(engine, tmp_path))

    assert [tuple(one) for one in found] == [("plainview", 1, 3, 6, 0), ("north", 0, 0, 0, 1)]
    assert await workbench.everything(engine) == before


# Which messages go


async def stand(engine: AsyncEngine, at: MessageStatus, delivery: DeliveryStatus) -> None:
    """An old message to be sent from here, with one call, that stands there."""
    people = [recipient("p1", workbench.call(1))]
    await load(engine, district(), message(recipients=people, created_at=OLD, status=None))
    async with writing(engine) as connection:
        await connection.execute(update(MESSAGE).values(status=at))
        await connection.execute(update(DELIVERY).values(status=delivery))
        await connection.exec_driver_sql(f"UPDATE tally SET status = '{delivery}'")


@pytest.mark.parametrize(
    ("at", "delivery", "goes"),
    [
        (MessageStatus.SENT, DeliveryStatus.DELIVERED, True),
        (MessageStatus.CANCELED, DeliveryStatus.CANCELED, True),
        (MessageStatus.CANCELED_IN_PROGRESS, DeliveryStatus.SENT, True),
        (MessageStatus.ERROR, DeliveryStatus.IN_PROGRESS, True),
        (MessageStatus.ERROR, DeliveryStatus.PENDING, False),
        (MessageStatus.CANCELED, DeliveryStatus.PENDING, False),
        (MessageStatus.CANCELED_IN_PROGRESS, DeliveryStatus.IN_PROGRESS, False),
        (MessageStatus.IN_PROGRESS, DeliveryStatus.IN_PROGRESS, False),
        (MessageStatus.WAITING, DeliveryStatus.PENDING, False),
    ],
)
async def test_only_what_has_ended_goes(
    engine: AsyncEngine,
    tmp_path: Path,
    at: MessageStatus,
    delivery: DeliveryStatus,
    goes: bool,
) -> None:
    await stand(engine, at, delivery)
    before = await workbench.everything(engine)

    progress = await carry_out(purge_of(engine, tmp_path))

    assert progress.messages == goes
    assert (await workbench.everything(engine) == before) is not goes


async def test_what_somebody_is_handing_over_stays(engine: AsyncEngine, tmp_path: Path) -> None:
    await stand(engine, MessageStatus.ERROR, DeliveryStatus.IN_PROGRESS)
    async with writing(engine) as connection:
        await connection.execute(update(DELIVERY).values(claim="x", lease_until=NOON))

    assert await carry_out(purge_of(engine, tmp_path)) == Progress()


@pytest.mark.parametrize(
    ("created_at", "scheduled_at", "goes"),
    [
        (CUT - timedelta(seconds=1), CUT - timedelta(seconds=1), True),
        (CUT, CUT, False),
        (CUT - timedelta(days=400), CUT, False),
    ],
)
async def test_a_message_is_as_old_as_the_later_of_its_creation_and_sending(
    engine: AsyncEngine, tmp_path: Path, created_at: Any, scheduled_at: Any, goes: bool
) -> None:
    await load(engine, district(), message(created_at=created_at, scheduled_at=scheduled_at))

    assert (await carry_out(purge_of(engine, tmp_path))).messages == goes


async def test_another_district_is_left_alone(engine: AsyncEngine, tmp_path: Path) -> None:
    await load_old(engine)
    await load(
        engine,
        district("north", name="North"),
        message("OLD", [recipient("p1", email())], district="north", created_at=OLD),
    )

    progress = await carry_out(purge_of(engine, tmp_path, district="north"))

    assert progress == Progress(messages=1, recipients=1, deliveries=1)
    assert len(await rows(engine, RECIPIENT.c.message_id, RECIPIENT.c.number)) == 5


async def test_all_go_however_few_are_looked_up_and_removed_at_a_time(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    lists = [[recipient(f"p{n}", email(f"p{n}@nomail.example")) for n in range(5)]] * 5
    await load(
        engine,
        district(),
        *(message(f"M-{n}", people, created_at=OLD) for n, people in enumerate(lists)),
    )

    progress = await carry_out(purge_of(engine, tmp_path, page=2, rows=2))

    assert progress == Progress(messages=5, recipients=25, deliveries=25)
    assert [row for row in await rows(engine, PERSON.c.name) if row[0]] == []
    assert await rows(engine, ADDRESS.c.key) == []


# What goes on meanwhile


async def test_a_message_that_is_being_purged_is_closed_to_receipts_and_to_sending_again(
    engine: AsyncEngine,
) -> None:
    await stand(engine, MessageStatus.SENT, DeliveryStatus.FAILED)
    async with writing(engine) as connection:
        assert await purge.begin(connection, 1, before=CUT, now=NOON)
    before = await workbench.everything(engine)
    bench = bench_of(engine, Clock(), FakeGateway())
    receipt = Receipt(NOON, DeliveryStatus.DELIVERED, 5, key="1.0.0")

    changed = await take_in(engine, "fake", [receipt], source=EventSource.CALLBACK, now=NOON)
    resent = await resend(bench, 1, modes=workbench.ALL_MODES, announce=to_nobody)

    assert (changed, resent) == (0, 0)
    assert await workbench.everything(engine) == before


async def test_a_delivery_goes_on_beside_a_purge(engine: AsyncEngine, tmp_path: Path) -> None:
    """To the same people and numbers as those whose old messages go."""
    people = workbench.people(60, call)
    await load(engine, district(), message("OLD", people, created_at=OLD))
    id = await workbench.load(engine, people)
    gateway = FakeGateway()
    bench = bench_of(engine, Clock(), gateway)

    progress, _ = await asyncio.gather(
        carry_out(purge_of(engine, tmp_path, rows=5)), workbench.work(bench)
    )

    assert (progress.recipients, progress.deliveries) == (60, 60)
    assert len(gateway.given) == 60
    await workbench.recount(engine, id)
    assert (await check(engine)).is_clean


async def test_an_import_of_the_same_people_goes_on_beside_a_purge(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    people = [recipient(f"p{n}", email(f"p{n}@nomail.example")) for n in range(40)]
    await load(engine, district(), message("OLD", people, created_at=OLD))
    news = [message(f"NEW-{n}", people) for n in range(5)]

    async def bring() -> None:
        for one in news:
            await load(engine, one)

    await asyncio.gather(carry_out(purge_of(engine, tmp_path, rows=3)), bring())

    assert len(await rows(engine, DELIVERY.c.message_id, DELIVERY.c.recipient_number)) == 200
    assert (await check(engine)).is_clean


async def test_two_purges_at_once_remove_each_row_once(engine: AsyncEngine, tmp_path: Path) -> None:
    people = [recipient(f"p{n}", email(f"p{n}@nomail.example")) for n in range(9)]
    await load(engine, district(), *(message(f"M-{n}", people, created_at=OLD) for n in range(4)))

    both = await asyncio.gather(*(carry_out(purge_of(engine, tmp_path, rows=2)) for _ in range(2)))

    assert sum(one.messages for one in both) == 4
    assert sum(one.recipients for one in both) == 36
    assert len(await rows(engine, AUDIT.c.id)) == 4


# Breaking off

VICTIM: Final = """
import asyncio, sys
from datetime import datetime, UTC
from pathlib import Path

from db.engine import after_commits, make_engine
from delivery.purging import carry_out
from tests.delivery.purges import purge_of

url, folder, stop = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
engine, commits = make_engine(url), 0


def count():
    global commits
    commits += 1
    if commits == stop:
        print("here", flush=True)
        sys.stdin.readline()  # for ever: whoever started this kills it


async def main():
    with after_commits(engine, count):
        await carry_out(purge_of(engine, folder, rows=2))


asyncio.run(main())
"""


@pytest.mark.parametrize("stop", range(1, 9))
async def test_a_purge_that_is_killed_between_two_transactions_is_ended_by_the_next(
    engine: AsyncEngine, database_url: str, tmp_path: Path, stop: int
) -> None:
    await load_old(engine)
    victim = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", VICTIM, database_url, str(tmp_path), str(stop)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert victim.stdout is not None
    assert await victim.stdout.readline() == b"here\n"
    victim.send_signal(signal.SIGKILL)
    assert await victim.wait() == -signal.SIGKILL
    assert (await check(engine)).is_clean
    left = len(await rows(engine, PURGE.c.message_id))

    progress = await carry_out(purge_of(engine, tmp_path))

    assert (progress.messages, progress.resumed) == (0, left)
    assert await rows(engine, PURGE.c.message_id) == []
    assert await places_with(engine, *WORDS) == []
    assert len(await rows(engine, AUDIT.c.id)) == 1
    assert (await check(engine)).is_clean


@pytest.mark.parametrize("step", ["begin", "remove_deliveries", "remove_recipients", "end"])
async def test_a_step_that_fails_leaves_nothing_half_done(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await load_old(engine)
    module = purge if step in ("begin", "end") else purge_rows
    with monkeypatch.context() as patch:
        patch.setattr(module, step, _failing(getattr(module, step)))
        with pytest.raises(RuntimeError, match="the disk is full"):
            await carry_out(purge_of(engine, tmp_path, rows=2))
    assert (await check(engine)).is_clean

    await carry_out(purge_of(engine, tmp_path))

    assert await places_with(engine, *WORDS) == []
    assert len(await rows(engine, AUDIT.c.id)) == 1


def _failing(real: Callable[..., Any]) -> Callable[..., Any]:
    async def fail(*arguments: Any, **more: Any) -> Any:
        await real(*arguments, **more)
        raise RuntimeError("the disk is full")

    return fail


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
    engine: AsyncEngine, tmp_path: Path
) -> None:
    await load_old(engine)
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
    async with writing(engine) as connection:
        for one in made:
            await connection.execute(insert(REPORT).values(one))

    await carry_out(purge_of(engine, tmp_path))

    assert sorted(file.name for file in folder.iterdir()) == ["3.t.csv", "4.t.csv"]
    assert await rows(engine, REPORT.c.id, REPORT.c.status, REPORT.c.file_key, REPORT.c.claim) == [
        (1, ReportStatus.EXPIRED, None, None),
        (2, ReportStatus.EXPIRED, None, None),
        (3, ReportStatus.READY, "3.t.csv", None),
        (4, ReportStatus.READY, "4.t.csv", None),
        (5, ReportStatus.EXPIRED, None, None),
    ]


def trigrams(*texts: str) -> set[str]:
    """What SQLite's index has of these texts, each of which ends with two line feeds there."""
    ended = [text + 2 * chr(10) for text in texts]
    return {text[place : place + 3] for text in ended for place in range(len(text) - 2)}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_file_of_sqlite_keeps_no_trace_of_what_was_deleted(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    await load_old(engine)
    assert engine.url.database is not None
    file = Path(engine.url.database)

    def traces() -> set[str]:
        files = [file, file.with_name(f"{file.name}-wal")]
        whole = b"".join(one.read_bytes() for one in files if one.exists()).lower()
        return {word for word in WORDS if word.encode() in whole}

    assert traces() == set(WORDS)

    await carry_out(purge_of(engine, tmp_path))

    assert traces() == set()
    async with reading(engine) as connection:
        kept = await connection.exec_driver_sql("SELECT DISTINCT term FROM person_name_terms")
        assert {term for (term,) in kept} == trigrams("kid, now", "stays, now")
