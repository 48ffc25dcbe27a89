"""Render a report as comma-separated values: UTF-8 with a byte order mark, RFC 4180.

Every row has as many fields as the Delivery Detail, so that a reader sees one table. Free text that a spreadsheet would read
as a formula gets an apostrophe in front. Phone numbers and codes stay as they are.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import BinaryIO, Final

from domain.modes import MODES, PHONE_MODES
from domain.report import status_label
from domain.status import DeliveryMode, DeliveryStatus
from renderers.body import paragraphs, plain_text
from renderers.cells import NO_DEVICE, REMEMBERED, Clock, minute_of
from renderers.document import (
    COLUMNS,
    DUPLICATE_IN_CSV,
    NOT_CONTACTED,
    TITLE,
    DetailRow,
    Line,
    Rendered,
    ReportDocument,
    heading,
    legend,
    letterhead,
    separate_texts,
    summary,
    with_clean_texts,
)
from renderers.texts import clean_line

RECIPIENT, STUDENT, DEVICE, STATUS, TIME = COLUMNS
END: Final = "\r\n"
HEAD: Final = (RECIPIENT, STUDENT, DEVICE, "Mode", STATUS, "Code", TIME)

# The start of a formula in spreadsheets, also in East Asian full width and after white space; and tabs and line breaks.
_FORMULA: Final = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")  # noqa: RUF001 (full width is meant)
_PHONE: Final = re.compile(r"\+[1-9]\d{6,14}(;ext=\d{1,10})?")


def harmless(text: str) -> str:
    """Return `text` with an apostrophe in front if a spreadsheet would read it as a formula."""
    # Fast path for a first letter, as in nearly every name: a third of the time of the expression.
    if not text or "@" < text[0] < "\N{NO-BREAK SPACE}" or _FORMULA.match(text) is None:
        return text
    return "'" + text


def field(text: str) -> str:
    """Return `text` as a field, in quotes if necessary."""
    if "," in text or '"' in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def render(report: ReportDocument, file: BinaryIO, *, progress: Callable[[int], None]) -> Rendered:
    """Write `report` to `file`. `progress` gets the number of rows written so far, after each page."""
    report = with_clean_texts(report)

    def write(lines: Iterable[str]) -> None:
        file.write("".join(lines).encode())

    write(["\N{BYTE ORDER MARK}"])
    write(map(_line, _padded(_head(report))))
    rows = 0
    if report.has_rows:
        line = detail_line(report)
        for page in report.rows:
            write(map(line, page))
            rows += len(page)
            progress(rows)
    return Rendered(rows)


def detail_line(report: ReportDocument) -> Callable[[DetailRow], str]:
    """Return a function that returns the line of a row, with the fields of `HEAD`.

    Python's csv module takes twice as long: it makes a call for each row, and scans each character of the four fields that
    most rows share.
    """
    clock = Clock(report.zone)
    mark = NOT_CONTACTED if report.marks_contact else ""
    ends: dict[tuple[DeliveryMode, DeliveryStatus, int | None, int | None], str] = {}

    def line(row: DetailRow) -> str:
        recipient, student, contacted, mode, address, status, code, at, is_duplicate = row
        recipient = harmless(clean_line(recipient))
        if not contacted:
            recipient += mark
        student = field(harmless(clean_line(student))) if student else ""
        if mode is None or status is None:
            return f"{field(recipient)},{student},{NO_DEVICE},,,,{END}"
        address = clean_line(address)
        if mode not in PHONE_MODES or _PHONE.fullmatch(address) is None:
            address = harmless(address)
        if is_duplicate:
            address += DUPLICATE_IN_CSV
        minute = None if at is None else minute_of(at)
        end = ends.get((mode, status, code, minute))
        if end is None:
            if len(ends) >= REMEMBERED:
                ends.clear()
            time = "" if at is None else clock.text(at)
            labels = (MODES[mode].label, status_label(status, code), "" if code is None else code)
            end = ends[mode, status, code, minute] = _line((*labels, time))
        return f"{field(recipient)},{student},{field(address)},{end}"

    return line


def _line(fields: Iterable[str | int]) -> str:
    return ",".join([field(str(one)) for one in fields]) + END


def _head(report: ReportDocument) -> Iterator[Sequence[str | int]]:
    """Yield all rows before the Delivery Detail."""
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


def _message(report: ReportDocument) -> Iterator[tuple[str, str]]:
    content = report.content
    yield ("Reply To Email", harmless(content.reply_to or ""))
    body = paragraphs(content.body, content.body_format)
    yield ("Message Body", harmless("\n".join(map(plain_text, body))))
    for label, value in separate_texts(report):
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
