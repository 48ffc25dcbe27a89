"""Reading a report from the log: its rows, their order, masking, and one snapshot."""

import asyncio
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest
from sqlalchemy import update

from db.connect.database import Database
from db.reports.jobs import MadeReport
from db.tables.log import DELIVERY, MESSAGE
from delivery.reports.jobs import ReportRuntime
from delivery.reports.process import RenderOrder, make
from delivery.reports.sources import pages
from domain.report import ReportDevice, ReportFormat
from domain.status import DeliveryMode, DeliveryStatus
from renderers import renderer
from server.sample import manual_lines
from tests.delivery.reports.printing import (
    detail_rows,
    made,
    make_reports,
    message_called,
    printing,
    requested_report,
)
from tests.log import NOON, district, email, load, message, recipient, voice
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
def report_runtime(database: Database, tmp_path: Path) -> ReportRuntime:
    return printing(database, tmp_path / "store")


async def test_the_manuals_example_comes_out_of_the_log_in_every_format(
    report_runtime: ReportRuntime,
) -> None:
    await load(report_runtime.database, *manual_lines())
    id = await message_called(report_runtime.database, THE_EXAMPLE)
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
        report = await requested_report(report_runtime, id, devices=devices, format=format)
        assert await make_reports(report_runtime) == 1
        file = await made(report_runtime, report)
        assert parts(file) == parts(rendered(renderer(format), expected)), format


def parts(file: bytes) -> bytes | dict[str, bytes]:
    """The parts of a ZIP file, without the times of its entries, which are those of the clock; any other file as it is."""
    if not file.startswith(b"PK"):
        return file
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def test_a_report_has_its_category_after_its_type_and_only_the_marks_of_its_rows(
    report_runtime: ReportRuntime,
) -> None:
    people = [
        recipient("p1", email("a@x.example"), voice(call_status=5), name="Ana"),
        recipient("p2", email("a@x.example"), name="Ben"),
    ]
    lines = message("M-1", people, category="General Notification")
    await load(report_runtime.database, district(), lines)
    legends: list[list[str]] = []
    for devices in ((ReportDevice.EMAIL,), (ReportDevice.VOICE_TEXT,)):
        report = await requested_report(report_runtime, devices=devices)
        assert await make_reports(report_runtime) == 1
        shown = (await made(report_runtime, report)).decode().splitlines()
        assert "Type,Behavior - General Notification,,,,," in shown
        start, end = shown.index("Delivery Detail,,,,,,"), len(shown)
        head = next(n for n in range(start, end) if shown[n].startswith("Recipient,Student"))
        legends.append([line[0] for line in shown[start + 1 : head]])
    assert legends == [["*", "&"], []]


async def test_rows_are_ordered_by_name_then_student_over_all_pages(
    report_runtime: ReportRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", 3)
    people = [
        recipient(f"p{n}", email(f"{n}@nomail.example"), name=name, student=(f"s{n}", f"Kid {n % 2}"))
        for n, name in enumerate(NAMES)
    ]  # fmt: skip
    await load(report_runtime.database, district(), message("M-1", people))
    await requested_report(report_runtime)
    assert await make_reports(report_runtime) == 1
    rows = await detail_rows(report_runtime)
    # The order is that of the screen: folded, so that accents and case do not count, and other scripts come last.
    assert [row[0] for row in rows] == [
        *("'=1+1*", "abel*", "Abel*", "ängel*", "Łukasz*", "Nguyễn*", "O'Neil*", "Zoë*"),
        *("שרה*", "محمد*", "王小明*"),
    ]


async def test_a_masked_report_has_no_name_address_or_body(report_runtime: ReportRuntime) -> None:
    people = [
        recipient("p2", email("heather@nomail.example"), student=("s1", "Student, Calvin")),
        recipient("p1", voice("+16125550101"), name="Abel"),
    ]
    await load(
        report_runtime.database,
        district(),
        message("M-1", people, body="Bullying at school", text_body="In short", voice_script="Hi"),
    )
    await requested_report(report_runtime, is_masked=True)
    assert await make_reports(report_runtime) == 1
    file = (await made(report_runtime)).decode()
    for hidden in ("Heather", "Calvin", "nomail", "+1612", "Abel", "Bullying", "In short"):
        assert hidden not in file
    assert [row[:3] for row in await detail_rows(report_runtime)] == [
        ["•••*", "•••", "•••"],
        ["•••*", "", "•••"],
    ]


async def test_a_report_shows_one_moment(
    report_runtime: ReportRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes after its start are not in it, neither in the figures nor in the last row."""
    monkeypatch.setattr(pages, "PAGE", 1)
    people = [recipient(f"p{n}", email(f"{n}@nomail.example", status="SENT")) for n in range(3)]
    await load(report_runtime.database, district(), message("M-1", people))
    changes: list[asyncio.Future[None]] = []
    loop = asyncio.get_running_loop()

    async def change() -> None:
        async with report_runtime.database.writing() as connection:
            await connection.execute(update(DELIVERY).values(status=DeliveryStatus.FAILED))
            await connection.execute(update(MESSAGE).values(people=17))

    async def render(order: RenderOrder, *, report_progress: Callable[[int], None]) -> MadeReport:
        def tell(percent: int) -> None:
            if not changes:
                changes.append(asyncio.run_coroutine_threadsafe(change(), loop))  # type: ignore[arg-type]
                changes[0].result()
            report_progress(percent)

        return await make(order, clock=lambda: NOON, report_progress=tell)

    await requested_report(report_runtime)
    assert await make_reports(replace(report_runtime, render=render)) == 1
    assert [row[4] for row in await detail_rows(report_runtime)] == ["Sent"] * 3
    assert b"Total Recipients,3," in await made(report_runtime)
    assert len(changes) == 1
