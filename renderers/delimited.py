"""A report as comma-separated values: UTF-8 with a byte order mark, after RFC 4180.

Every row has as many fields as the Delivery Detail, so that whatever reads the file sees one table. A spreadsheet takes
some text for a formula; free text of such a kind gets an apostrophe in front, while phone numbers and codes, which begin
with a sign by right, stay as they are.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import BinaryIO, Final

from domain.report import status_label
from domain.status import PHONE_MODES, DeliveryMode, DeliveryStatus
from renderers.body import paragraphs, written
from renderers.cells import MODE_LABELS, NO_DEVICE, REMEMBERED, Clock, minute_of
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
    with_clean_texts,
)
from renderers.texts import clean_line

RECIPIENT, STUDENT, DEVICE, STATUS, TIME = COLUMNS
END: Final = "\r\n"
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


def field(text: str) -> str:
    """`text` as a field: in quotes where it would not be read as one without."""
    if "," in text or '"' in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def render(report: Report, file: BinaryIO, *, progress: Callable[[int], None]) -> Rendered:
    """Write `report` to `file`. `progress` is told how many rows of the Delivery Detail are written, after each page."""

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


def detail_line(report: Report) -> Callable[[DeliveryRow], str]:
    """A function that gives the line of a row, with the fields of `HEAD`.

    Written here and not by Python's csv, which takes twice as long: it hands over each row by a call, and looks at each
    character of the four fields that are the same in most rows.
    """
    clock = Clock(report.zone)
    mark = NOT_CONTACTED if report.marks_contact else ""
    ends: dict[tuple[DeliveryMode, DeliveryStatus, int | None, int | None], str] = {}

    def line(row: DeliveryRow) -> str:
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
            known = (MODE_LABELS[mode], status_label(status, code), "" if code is None else code)
            end = ends[mode, status, code, minute] = _line((*known, time))
        return f"{field(recipient)},{student},{field(address)},{end}"

    return line


def _line(fields: Iterable[str | int]) -> str:
    return ",".join([field(str(one)) for one in fields]) + END


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
