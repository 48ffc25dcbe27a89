"""A report as comma-separated values: UTF-8 with a byte order mark, after RFC 4180.

Every row has as many fields as the Delivery Detail, so that whatever reads the file sees one table. A spreadsheet takes
some text for a formula; free text of such a kind gets an apostrophe in front, while phone numbers and codes, which begin
with a sign by right, stay as they are.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import BinaryIO, Final

from domain.report import status_label
from domain.status import PHONE_MODES
from renderers.body import paragraphs, written
from renderers.cells import MODE_LABELS, NO_DEVICE, Clock
from renderers.document import (
    COLUMNS,
    DUPLICATE_IN_CSV,
    NOT_CONTACTED,
    TITLE,
    DeliveryRow,
    Line,
    Rendered,
    Report,
    heading,
    legend,
    letterhead,
    summary,
    told_apart,
)

RECIPIENT, STUDENT, DEVICE, STATUS, TIME = COLUMNS
HEAD: Final = (RECIPIENT, STUDENT, DEVICE, "Mode", STATUS, "Code", TIME)

# What spreadsheets take for a formula, in East Asian full width too, be it behind white space, and what ends a cell early.
_FORMULA: Final = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")  # noqa: RUF001 (full width is meant)
_PHONE: Final = re.compile(r"\+[1-9]\d{6,14}(;ext=\d{1,10})?")


def harmless(text: str) -> str:
    """`text` as no spreadsheet takes it for a formula."""
    # Nearly every name begins with a letter, which this comparison tells in a third of the time.
    if not text or "@" < text[0] < "\N{NO-BREAK SPACE}" or _FORMULA.match(text) is None:
        return text
    return "'" + text


def render(report: Report, file: BinaryIO, *, progress: Callable[[int], None]) -> Rendered:
    """Write `report` to `file`. `progress` is told how many rows of the Delivery Detail are written, after each page."""
    pieces: list[str] = []  # csv writes a row at a time: nothing takes them faster than a list
    writer = csv.writer(SimpleNamespace(write=pieces.append))

    def flush() -> None:
        file.write("".join(pieces).encode("utf-8", "replace"))
        pieces.clear()

    pieces.append("\N{BYTE ORDER MARK}")
    writer.writerows(_padded(_head(report)))
    flush()
    rows = 0
    if report.has_rows:
        cells = detail_cells(report)
        for page in report.rows:
            writer.writerows(map(cells, page))
            flush()
            rows += len(page)
            progress(rows)
    return Rendered(rows)


def detail_cells(report: Report) -> Callable[[DeliveryRow], Sequence[str | int]]:
    """A function that gives the fields of `HEAD` for a row."""
    clock = Clock(report.zone).text
    mark = NOT_CONTACTED if report.marks_contact else ""

    def cells(row: DeliveryRow) -> Sequence[str | int]:
        recipient, student, contacted, mode, address, status, code, at, is_duplicate = row
        recipient = harmless(recipient)
        if not contacted:
            recipient += mark
        student = harmless(student) if student else ""
        if mode is None or status is None:
            return recipient, student, NO_DEVICE, "", "", "", ""
        if mode not in PHONE_MODES or _PHONE.fullmatch(address) is None:
            address = harmless(address)
        if is_duplicate:
            address += DUPLICATE_IN_CSV
        label = status_label(status, code)
        time = clock(at) if at is not None else ""
        return (
            recipient,
            student,
            address,
            MODE_LABELS[mode],
            label,
            "" if code is None else code,
            time,
        )

    return cells


def _head(report: Report) -> Iterator[Sequence[str | int]]:
    """Everything before the rows."""
    clock = Clock(report.zone)
    yield (TITLE,)
    yield ("Subject", harmless(report.subject))
    yield from _lines(heading(report), clock)
    district, school = letterhead(report)
    yield ("District", harmless(district))
    yield ("School", harmless(school))
    yield ("As Of", clock.text(report.as_of))
    yield ()
    yield ("Delivery Summary",)
    for group in summary(report):
        yield from _lines(group, clock)
    if report.has_everything:
        yield ()
        yield ("Filter Criteria",)
        yield from _lines((Line(*criterion) for criterion in report.criteria), clock)
        yield ()
        yield ("Message Detail",)
        yield from _message(report)
    if report.has_rows:
        yield ()
        yield ("Delivery Detail",)
        for mark, meaning in legend(report, duplicate=DUPLICATE_IN_CSV):
            yield (mark, str(meaning))
        yield HEAD


def _message(report: Report) -> Iterator[tuple[str, str]]:
    content = report.content
    yield ("Reply To Email", harmless(content.reply_to or ""))
    body = paragraphs(content.body, content.body_format)
    yield ("Message Body", harmless("\n".join(map(written, body))))
    for label, value in told_apart(report):
        yield (label, harmless(str(value)))


def _lines(lines: Iterable[Line], clock: Clock) -> Iterator[tuple[str, str | int]]:
    for label, value in lines:
        if isinstance(value, datetime):
            yield harmless(label), clock.text(value)
        elif isinstance(value, int):
            yield harmless(label), value
        else:
            yield harmless(label), harmless(value or "")


def _padded(rows: Iterable[Sequence[str | int]]) -> Iterator[Sequence[str | int]]:
    for row in rows:
        yield (*row, *[""] * (len(HEAD) - len(row)))
