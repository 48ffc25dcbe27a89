"""Every report that can be asked for: each choice of devices, detail and format, of a message at each status.

What the rule refuses changes nothing. What it allows is rendered, and its file opened and read: each choice of devices and detail
at each status in one of the formats, and in each format at some status.
"""

import asyncio
import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

import docx
import openpyxl
import pypdf
import pytest
from sqlalchemy import func, select, update

from db.connect.database import Database
from db.tables.log import MESSAGE
from db.tables.operations import AUDIT, REPORT
from delivery.reports.jobs import RenderJob, make_report
from domain.report import (
    TITLES,
    ReportChoice,
    ReportDetail,
    ReportDevice,
    ReportFormat,
    ReportKind,
    ReportStatus,
)
from domain.status import MessageStatus
from renderers.contents.message_report import NO_ROWS
from tests.delivery.reports.printing import made, printing, row
from tests.log import district, email, inbox, load, message, recipient, text, voice
from tests.operations import ask

SUBJECT: Final = "Bus 7"
RUNNING: Final = (MessageStatus.WAITING, MessageStatus.IN_PROGRESS)
CHOICES: Final = [
    tuple(device for device, is_in in zip(ReportDevice, chosen, strict=True) if is_in)
    for chosen in product((False, True), repeat=len(ReportDevice))
]
FAILED: Final = {"status": "FAILED"}
SENT: Final = {"status": "SENT"}

# Whose rows there are, in the order of the report: Ada's voice call and Ben's e-mail failed, and Cleo has no device.
PEOPLE: Final = [
    recipient("p1", inbox("ada", **SENT), voice("+16125550101", **FAILED), name="Ada"),
    recipient("p2", email("ben@nomail.example", **FAILED), text("+16125550102", **SENT), name="Ben"),
    recipient("p3", name="Cleo"),
]  # fmt: skip
ROWS: Final = [
    (ReportDevice.INBOX, "Ada* ada (Inbox)"),
    (ReportDevice.VOICE_TEXT, "Ada* +16125550101 (Voice)"),
    (ReportDevice.EMAIL, "Ben* ben@nomail.example (Email)"),
    (ReportDevice.VOICE_TEXT, "Ben* +16125550102 (Text)"),
    (ReportDevice.NO_DEVICE, "Cleo* No Device"),
]
WITH_FAILURE: Final = {
    ReportDevice.VOICE_TEXT: "Ada",
    ReportDevice.EMAIL: "Ben",
}
"""Whose delivery to a device failed."""


def rows_of(devices: Sequence[ReportDevice], detail: ReportDetail) -> list[str] | None:
    """The rows that such a report has; None where it has no Delivery Detail."""
    if detail is ReportDetail.SUMMARY:
        return None
    chosen = [line for device, line in ROWS if device in devices]
    if detail is ReportDetail.ALL:
        return chosen
    failed = tuple(name for device, name in WITH_FAILURE.items() if device in devices)
    return [line for line in chosen if line.startswith(failed)] if failed else []


# What a file says: its title, its subject, and its rows


Said = tuple[str, str, list[str] | None]


def row_text(name: str, device: str, mode: str = "") -> str:
    """A row as it is printed."""
    return f"{name} {device}" + (f" ({mode})" if mode else "")


def read_csv(file: bytes) -> Said:
    lines = list(csv.reader(io.StringIO(file.decode("utf-8-sig"), newline="")))
    first = [line[0] for line in lines]
    start = first.index("Recipient") + 1 if "Recipient" in first else None
    rows = (
        None if start is None else [row_text(line[0], line[2], line[3]) for line in lines[start:]]
    )
    return lines[0][0], dict(line[:2] for line in lines[:9])["Subject"], rows


def read_xlsx(file: bytes) -> Said:
    book = openpyxl.load_workbook(io.BytesIO(file))
    summary = [[cell.value for cell in line] for line in book["Summary"].iter_rows()]
    rows = None
    if "Delivery Detail" in book.sheetnames:
        lines = list(book["Delivery Detail"].iter_rows(values_only=True))[1:]
        rows = [row_text(str(line[0]), str(line[2]), str(line[3] or "")) for line in lines]
    return str(summary[0][0]), str(summary[1][0]), rows


def read_docx(file: bytes) -> Said:
    document = docx.Document(io.BytesIO(file))
    title, subject = (paragraph.text for paragraph in document.paragraphs[:2])
    rows = None
    for table in document.tables:
        if table.cell(0, 0).text == "Recipient":
            lines = [[cell.text for cell in line.cells] for line in table.rows][1:]
            rows = [row_text(line[0], line[2]) for line in lines if line[0] != NO_ROWS]
    return title, subject, rows


def read_pdf(file: bytes) -> Said:
    reader = pypdf.PdfReader(io.BytesIO(file), strict=True)
    lines = [line for page in reader.pages for line in page.extract_text().splitlines()]
    title = lines.index(TITLES[ReportKind.MESSAGE].upper())
    rows = None
    if NO_ROWS in lines:
        rows = []
    heads = [place for place, line in enumerate(lines) if line.startswith("Recipient Student")]
    if heads:
        found = [re.match(r".*?(?:\(\w+\)|No Device)", line) for line in lines[heads[0] :]]
        rows = [one[0] for one in found if one is not None]
    return lines[title], lines[title + 1], rows


READ: Final[Mapping[ReportFormat, Callable[[bytes], Said]]] = {
    ReportFormat.PDF: read_pdf,
    ReportFormat.CSV: read_csv,
    ReportFormat.DOCX: read_docx,
    ReportFormat.XLSX: read_xlsx,
}


# The table


async def counts(database: Database) -> tuple[int, int]:
    """How many reports there are, and acts in the audit."""
    async with database.reading() as connection:
        found = [
            await connection.scalar(select(func.count()).select_from(table))
            for table in (REPORT, AUDIT)
        ]
    return found[0] or 0, found[1] or 0


async def ask_for(
    database: Database, devices: Sequence[ReportDevice], format: ReportFormat
) -> Mapping[ReportDetail, Any]:
    """What `createReport` answers to each detail, in one operation."""
    fields = " ".join(
        f"{detail}: createReport(input: {{messageId: $id, devices: $devices, detail: {detail}, format: {format}}}) {{"
        " __typename ... on CreateReportSuccess { report { id } } ... on ReportOptionUnavailable { field } }"
        for detail in ReportDetail
    )
    document = f"mutation($id: ID!, $devices: [ReportDevice!]!) {{ {fields} }}"
    data = await ask(database, document, {"id": "message.1", "devices": devices})
    return {detail: data[detail] for detail in ReportDetail}


def is_rendered(status: MessageStatus, choice: ReportChoice) -> bool:
    """Whether the report is rendered here: each choice at each status in one format, so in each format at some status."""
    places = (
        list(MessageStatus).index(status),
        CHOICES.index(choice.devices),
        list(ReportDetail).index(choice.detail),
    )
    return list(ReportFormat)[sum(places) % len(ReportFormat)] is choice.format


# The rows are the same in either database; what is asked for and refused is tested in both, in `test_reports`.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("status", MessageStatus)
async def test_what_is_allowed_is_rendered_and_what_is_refused_changes_nothing(
    database: Database, tmp_path: Path, status: MessageStatus
) -> None:
    await load(database, district(), message("M-1", PEOPLE, subject=SUBJECT))
    async with database.writing() as connection:
        await connection.execute(update(MESSAGE).values(status=status))
    report_runtime = printing(database, tmp_path / "store")
    wanted: dict[int, ReportChoice] = {}
    for format, devices in product(ReportFormat, CHOICES):
        for detail, answer in (await ask_for(database, devices, format)).items():
            is_early = detail is ReportDetail.FAILED_DELIVERY and status in RUNNING
            if devices and not is_early:
                wanted[len(wanted) + 1] = ReportChoice(devices, detail, format)
                report = {"id": f"report.{len(wanted)}"}
                assert answer == {"__typename": "CreateReportSuccess", "report": report}
            else:
                blamed = "detail" if devices else "devices"
                assert answer == {"__typename": "ReportOptionUnavailable", "field": blamed}
        assert await counts(database) == (len(wanted), len(wanted))

    assert len(wanted) == len(ReportFormat) * 15 * (2 if status in RUNNING else 3)
    rendered = {id: choice for id, choice in wanted.items() if is_rendered(status, choice)}
    assert len(rendered) == len(wanted) / len(ReportFormat)
    for id, choice in rendered.items():
        assert await make_report(report_runtime, RenderJob(id), until=asyncio.Event())
        report = await row(database, id)
        assert report.status is ReportStatus.READY
        title, subject, rows = READ[choice.format](await made(report_runtime, id))
        assert (title.casefold(), subject) == (TITLES[ReportKind.MESSAGE].casefold(), SUBJECT)
        assert rows == rows_of(choice.devices, choice.detail), choice
        assert report.row_count == len(rows or ())
