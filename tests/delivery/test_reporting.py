"""Reports as they are made: what is in them, how far they are, what becomes of those that break off, and how they end."""

import asyncio
import csv
import io
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import after_commits, writing
from db.report_jobs import Made
from db.tables import DELIVERY, MESSAGE
from delivery import report_source, reporting
from delivery.report_process import Order, make
from delivery.report_store import Folder, NotStored, Place
from delivery.reporting import FAILURE, Broken, Press, attend, expire, work_on_reports
from domain.report import KEPT, ReportDetail, ReportDevice, ReportFormat, ReportStatus
from domain.status import DeliveryMode, DeliveryStatus
from renderers import renderer
from server.sample.demo import manual_lines
from tests.delivery.printing import (
    Stuck,
    asked,
    files,
    here,
    hurry,
    made,
    message_called,
    printing,
    row,
)
from tests.log import NOON, district, email, inbox, load, message, recipient, school, text, voice
from tests.renderers.example import at, one_page, rendered, school_is_cancelled
from tests.renderers.example import row as line

THE_EXAMPLE = "2019-12-02-0855-school-is-cancelled"
NAMES = [
    *(
        "Łukasz",
        "Zoë",
        "Nguyễn",
        "王小明",
        "محمد",
        "שרה",
        "abel",
        "Abel",
        "ängel",
        "=1+1",
        "O'Neil",
    ),
]


@pytest.fixture
def press(engine: AsyncEngine, tmp_path: Path) -> Press:
    return printing(engine, tmp_path / "store")


async def detail_rows(press: Press, id: int = 1) -> list[list[str]]:
    """The Delivery Detail of a CSV report, without its head."""
    file = (await made(press, id)).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(file, newline="")))
    start = next(n for n, row in enumerate(rows) if row[0] == "Recipient")
    return rows[start + 1 :]


# What is in them


async def test_the_manuals_example_comes_out_of_the_log_in_every_format(press: Press) -> None:
    await load(press.engine, *manual_lines())
    id = await message_called(press.engine, THE_EXAMPLE)
    devices = (ReportDevice.EMAIL,)
    mode, status = DeliveryMode.EMAIL, DeliveryStatus.IN_PROGRESS
    expected = school_is_cancelled(
        school="Harrison High",
        message_type="Message Builder",
        as_of=NOON,
        created_at=at(8, 55).astimezone(UTC),
        started_at=at(8, 54).replace(second=5).astimezone(UTC),
        ended_at=at(8, 54).replace(second=54).astimezone(UTC),
        devices=devices,
        rows=one_page(
            line("Parent, Heather", "Student, Calvin", mode, "heather@nomail.com", status, contacted=False),
            line("Parent, Kris", "Student, Lauren", mode, "kris@nomail.com", status, contacted=False),
            line("Parent, Tad", "Student, Karen", mode, "tad@nomail.com", status, contacted=False),
        ),
    )  # fmt: skip
    for format in ReportFormat:
        report = await asked(press, id, devices=devices, format=format)
        assert await work_on_reports(press) == 1
        assert await made(press, report) == rendered(renderer(format), expected), format


async def test_people_stand_by_name_then_student_over_all_pages(
    press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_source, "PAGE", 3)
    people = [
        recipient(f"p{n}", email(f"{n}@nomail.example"), name=name, student=(f"s{n}", f"Kid {n % 2}"))
        for n, name in enumerate(NAMES)
    ]  # fmt: skip
    await load(press.engine, district(), message("M-1", people))
    await asked(press)
    assert await work_on_reports(press) == 1
    rows = await detail_rows(press)
    # The order is that of the screen: folded, so that accents and case do not count, and other scripts come last.
    assert [row[0] for row in rows] == [
        *("'=1+1*", "abel*", "Abel*", "ängel*", "Łukasz*", "Nguyễn*", "O'Neil*", "Zoë*"),
        *("שרה*", "محمد*", "王小明*"),
    ]


async def test_what_who_may_not_see_recipients_is_given_has_no_name_address_or_body(
    press: Press,
) -> None:
    people = [
        recipient("p2", email("heather@nomail.example"), student=("s1", "Student, Calvin")),
        recipient("p1", voice("+16125550101"), name="Abel"),
    ]
    await load(
        press.engine,
        district(),
        message("M-1", people, body="Bullying at school", text_body="In short", voice_script="Hi"),
    )
    await asked(press, is_masked=True)
    assert await work_on_reports(press) == 1
    file = (await made(press)).decode()
    for hidden in ("Heather", "Calvin", "nomail", "+1612", "Abel", "Bullying", "In short"):
        assert hidden not in file
    assert [row[:3] for row in await detail_rows(press)] == [
        ["•••*", "•••", "•••"],
        ["•••*", "", "•••"],
    ]


async def test_a_report_shows_one_moment(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes after it was begun is not in it: neither in the figures nor in the last of its rows."""
    monkeypatch.setattr(report_source, "PAGE", 1)
    people = [recipient(f"p{n}", email(f"{n}@nomail.example", status="SENT")) for n in range(3)]
    await load(press.engine, district(), message("M-1", people))
    changes: list[asyncio.Future[None]] = []
    loop = asyncio.get_running_loop()

    async def change() -> None:
        async with writing(press.engine) as connection:
            await connection.execute(update(DELIVERY).values(status=DeliveryStatus.FAILED))
            await connection.execute(update(MESSAGE).values(people=17))

    async def render(order: Order, *, told: Callable[[int], None]) -> Made:
        def tell(percent: int) -> None:
            if not changes:
                changes.append(asyncio.run_coroutine_threadsafe(change(), loop))  # type: ignore[arg-type]
                changes[0].result()
            told(percent)

        return await make(order, clock=lambda: NOON, told=tell)

    await asked(press)
    assert await work_on_reports(replace(press, render=render)) == 1
    assert [row[4] for row in await detail_rows(press)] == ["Sent"] * 3
    assert b"Total Recipients,3," in await made(press)
    assert len(changes) == 1


# Every combination

SUBSETS = [
    *chain.from_iterable(combinations(ReportDevice, n) for n in range(1, len(ReportDevice) + 1))
]


@pytest.mark.parametrize("format", ReportFormat)
@pytest.mark.parametrize("detail", ReportDetail)
async def test_every_choice_of_devices_has_its_rows_in_every_detail_and_format(
    press: Press, detail: ReportDetail, format: ReportFormat
) -> None:
    """Two people with one device of each mode, of which one failed each, and one without any."""
    failed = {"status": "FAILED"}
    people = [
        recipient("p1", inbox(status="SENT"), email(**failed), voice(**failed), text(status="SENT")),
        recipient("p2", inbox("other", status="SENT"), email("o@nomail.example", status="SENT")),
        recipient("p3"),
    ]  # fmt: skip
    await load(press.engine, district(), message("M-1", people))
    rows_of = {
        ReportDetail.SUMMARY: dict.fromkeys(ReportDevice, 0),
        ReportDetail.ALL: dict(zip(ReportDevice, (1, 2, 2, 2), strict=True)),
    }
    for devices in SUBSETS:
        id = await asked(press, devices=devices, detail=detail, format=format)
        assert await work_on_reports(press) == 1
        report = await row(press.engine, id)
        assert (report.status, report.progress_percent) == (ReportStatus.READY, 100)
        assert report.byte_size == len(await made(press, id)) > 0
        if detail is ReportDetail.FAILED_DELIVERY:
            # Of the first person alone, and only if a chosen device of theirs failed.
            chosen = {ReportDevice.INBOX: 1, ReportDevice.EMAIL: 1, ReportDevice.VOICE_TEXT: 2}
            has_failed = {ReportDevice.EMAIL, ReportDevice.VOICE_TEXT} & set(devices)
            expected = sum(chosen.get(device, 0) for device in devices) if has_failed else 0
        else:
            expected = sum(rows_of[detail][device] for device in devices)
        assert report.row_count == expected, devices


# How they are made


@pytest.fixture
async def one(press: Press) -> Press:
    """A log with one message of which a report is asked for."""
    await load(press.engine, district(), school("east"), message("M-1", [recipient("p1", email())]))
    await asked(press)
    return press


async def test_a_ready_report_says_what_its_file_is(one: Press) -> None:
    assert await work_on_reports(one) == 1
    report = await row(one.engine)
    assert (report.status, report.as_of, report.row_count) == (ReportStatus.READY, NOON, 1)
    assert report.file_key.startswith("1.")
    assert report.file_key.endswith(".csv")
    assert len(report.sha256) == 64
    assert (report.claim, report.lease_until, report.failure) == (None, None, None)
    assert await work_on_reports(one) == 0


async def test_it_says_how_far_it_is_and_holds_its_claim_meanwhile(one: Press) -> None:
    seen, committed = [], asyncio.Event()

    async def render(order: Order, *, told: Callable[[int], None]) -> Made:
        with after_commits(one.engine, committed.set):
            told(40)
            await committed.wait()
        report = await row(one.engine)
        seen.append((report.status, report.progress_percent))
        return await here(order, told=told)

    press = replace(one, render=render, step=timedelta(0))
    assert await work_on_reports(press) == 1
    assert seen == [(ReportStatus.RENDERING, 40)]


async def test_what_fails_is_tried_three_times_and_then_says_so_in_words(one: Press) -> None:
    async def render(order: Order, *, told: Callable[[int], None]) -> Made:
        raise Broken("ValueError")

    press = replace(one, render=render)
    for attempt in (1, 2):
        assert await work_on_reports(press) == 0
        report = await row(one.engine)
        assert (report.status, report.attempts) == (ReportStatus.QUEUED, attempt)
        assert report.due_at is not None
        await hurry(one.engine)
    assert await work_on_reports(press) == 0
    report = await row(one.engine)
    assert (report.status, report.failure) == (ReportStatus.FAILED, FAILURE)
    assert report.claim is None


async def test_one_that_fails_does_not_hold_up_the_next(one: Press) -> None:
    second = await asked(one, format=ReportFormat.XLSX)

    async def render(order: Order, *, told: Callable[[int], None]) -> Made:
        if order.job.id != second:
            raise OSError("the disk is full")
        return await here(order, told=told)

    assert await work_on_reports(replace(one, render=render)) == 1
    assert (await row(one.engine, second)).status is ReportStatus.READY


async def test_who_lost_the_claim_leaves_no_file_and_no_trace(one: Press) -> None:
    slow = Stuck()
    working = asyncio.ensure_future(work_on_reports(replace(one, render=slow)))
    await slow.begun.wait()
    await hurry(one.engine)
    assert await work_on_reports(one) == 1  # somebody else takes it over and is faster
    report = await row(one.engine)
    slow.released.set()
    assert await working == 0
    assert await row(one.engine) == report
    assert files(one) == [report.file_key]


async def test_what_is_broken_off_on_purpose_waits_again(one: Press) -> None:
    slow = Stuck()
    until = asyncio.Event()
    attending = asyncio.ensure_future(attend(replace(one, render=slow), until))
    await slow.begun.wait()
    until.set()
    await attending
    report = await row(one.engine)
    assert (report.status, report.attempts, report.claim) == (ReportStatus.QUEUED, 0, None)


async def test_a_report_that_takes_too_long_is_ended(one: Press) -> None:
    press = replace(one, render=Stuck(), limit=timedelta(0))
    assert await work_on_reports(press) == 0
    assert (await row(one.engine)).status is ReportStatus.QUEUED


# The process


async def test_a_process_of_its_own_makes_it(one: Press) -> None:
    press = replace(one, render=reporting.in_own_process)
    assert await work_on_reports(press) == 1
    report = await row(one.engine)
    assert report.status is ReportStatus.READY
    assert report.as_of > datetime(2025, 1, 1, tzinfo=UTC)  # its own clock
    assert [row[0] for row in await detail_rows(one)] == ["Parent, Heather*"]


async def test_what_the_process_met_is_told_without_what_was_in_the_report(one: Press) -> None:
    taken: list[Order] = []

    async def take(order: Order, *, told: Callable[[int], None]) -> Made:
        taken.append(order)
        raise Broken("")

    await work_on_reports(replace(one, render=take))
    broken = replace(taken[0], place=Place(f"{one.place.address}/\0"))
    with pytest.raises(Broken) as met:
        await reporting.in_own_process(broken, told=lambda percent: None)
    assert str(met.value).startswith("ValueError\n")
    assert "report_store.py" in str(met.value)
    assert "null" not in str(met.value)  # the error's own words


async def test_a_process_that_is_killed_in_the_middle_leaves_no_file_and_is_done_again(
    one: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = asyncio.create_subprocess_exec
    killed: list[int] = []

    async def killing(*arguments: Any, **options: Any) -> Any:
        process = await start(*arguments, **options)
        if not killed:
            killed.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", killing)
    press = replace(one, render=reporting.in_own_process)
    assert await work_on_reports(press) == 0
    report = await row(one.engine)
    assert (report.status, report.file_key) == (ReportStatus.QUEUED, None)
    assert files(one) == []
    await hurry(one.engine)
    assert await work_on_reports(press) == 1
    assert len(await detail_rows(one)) == 1
    assert len(killed) == 1


@pytest.mark.parametrize(("moment", "left"), [("begun", 0), ("stored", 1)])
async def test_a_server_that_is_killed_in_the_middle_leaves_no_file_to_be_had_and_is_replaced(
    one: Press, moment: str, left: int
) -> None:
    url = one.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.delivery.press_process"]
    server = await asyncio.create_subprocess_exec(
        *command, url, one.place.address, moment, NOON.isoformat()
    )
    assert await server.wait() == -signal.SIGKILL
    report = await row(one.engine)
    assert (report.status, report.file_key) == (ReportStatus.RENDERING, None)
    orphans = files(one)
    assert len(orphans) == left
    assert await work_on_reports(one) == 0  # the lease of the dead has not ended
    await hurry(one.engine)
    assert await work_on_reports(one) == 1
    report = await row(one.engine)
    assert (report.status, report.attempts) == (ReportStatus.READY, 2)
    assert report.file_key not in orphans
    assert [row[0] for row in await detail_rows(one)] == ["Parent, Heather*"]


# The end


async def test_after_a_day_the_file_is_gone_and_the_report_says_so(one: Press) -> None:
    assert await work_on_reports(one) == 1
    late = replace(one, clock=lambda: NOON + KEPT - timedelta(seconds=1))
    assert await expire(late) == 0
    assert len(files(one)) == 1
    over = replace(one, clock=lambda: NOON + KEPT)
    assert await expire(over) == 1
    assert files(one) == []
    report = await row(one.engine)
    assert (report.status, report.file_key) == (ReportStatus.EXPIRED, None)
    assert await expire(over) == 0


async def test_what_a_killed_maker_left_goes_with_the_report(one: Press) -> None:
    assert await work_on_reports(one) == 1
    left = Path(one.place.address, "1.abcdef.csv.part")
    other = Path(one.place.address, "11.abcdef.csv")
    for file in (left, other):
        file.write_bytes(b"half")
    assert await expire(replace(one, clock=lambda: NOON + KEPT)) == 1
    assert files(one) == [other.name]


# The folder


async def drawn(store: Folder, key: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in store.get(key, start, end)])


class Torn(io.BytesIO):
    """A stream that breaks after its first piece."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise OSError("torn")
        return super().read(size)


async def test_a_folder_gives_back_what_was_put_in_and_any_part_of_it(tmp_path: Path) -> None:
    store = Folder(tmp_path / "new" / "store")
    content = bytes(range(256)) * 4096
    stored = store.put("7.a.csv", io.BytesIO(content))
    assert stored.byte_size == len(content)
    assert await drawn(store, "7.a.csv", 0, len(content)) == content
    assert await drawn(store, "7.a.csv", 300_000, 600_001) == content[300_000:600_001]
    assert (tmp_path / "new" / "store" / "7.a.csv").stat().st_mode & 0o777 == 0o600


async def test_what_is_torn_on_its_way_in_is_never_found(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    with pytest.raises(OSError, match="torn"):
        store.put("7.a.csv", Torn(b"x" * 1_000_000))
    with pytest.raises(NotStored):
        await drawn(store, "7.a.csv", 0, 1)
    await store.remove("7.")
    assert os.listdir(tmp_path) == []


async def test_a_folder_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    store = Folder(tmp_path / "none")
    with pytest.raises(NotStored):
        await drawn(store, "7.a.csv", 0, 1)
    await store.remove("7.")
    assert not (tmp_path / "none").exists()
