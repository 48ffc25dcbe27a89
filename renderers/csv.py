"""Render a report as comma-separated values: UTF-8 with a byte order mark, RFC 4180.

Every row has as many fields as the widest, so that a reader sees one table. Free text that a spreadsheet would read as a
formula gets an apostrophe in front. Phone numbers and codes stay as they are.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, BinaryIO, Final

from renderers.body import paragraphs, plain_text
from renderers.cells import Clock
from renderers.csv_fields import harmless, harmless_number, line
from renderers.document import (
    DUPLICATE,
    DUPLICATE_IN_CSV,
    Cell,
    Line,
    MessageBody,
    PhoneNumber,
    Rendered,
    ReportDocument,
    ReportRows,
    ReportSection,
    with_clean_texts,
)

LEAST_FIELDS: Final = 7
"""Fields of a row in a report without a table: as many as with the Delivery Detail."""


def render(report: ReportDocument, file: BinaryIO, *, progress: Callable[[int], None]) -> Rendered:
    """Write `report` to `file`. `progress` gets the number of rows written so far, after each page."""
    report = with_clean_texts(report)
    clock = Clock(report.zone)

    def write(lines: Iterable[str]) -> None:
        file.write("".join(lines).encode())

    table = report.rows
    width = LEAST_FIELDS if table is None else max(LEAST_FIELDS, len(table.data_columns))
    write(["\N{BYTE ORDER MARK}"])
    write(line(_padded(fields, width)) for fields in _head(report, clock))
    rows = 0
    if table is not None:
        line_of = _line_of(table, clock) if table.csv_line is None else table.csv_line(clock)
        for page in table.pages:
            write(map(line_of, page))
            rows += len(page)
            progress(rows)
    return Rendered(rows)


def _line_of(table: ReportRows[Any], clock: Clock) -> Callable[[Any], str]:
    """Return a function that returns the line of a row."""
    cells, width = table.data_cells(DUPLICATE_IN_CSV), len(table.data_columns)
    return lambda row: line(_padded([_field(cell, clock) for cell in cells(row)], width))


def _padded(fields: Sequence[str | int], width: int) -> Sequence[str | int]:
    return (*fields, *[""] * (width - len(fields)))


def _field(value: Cell, clock: Clock) -> str | int:
    if isinstance(value, datetime):
        return clock.text(value)
    if isinstance(value, PhoneNumber):
        return harmless_number(value)
    return value if isinstance(value, int) else harmless(value or "")


def _head(report: ReportDocument, clock: Clock) -> Iterator[Sequence[str | int]]:
    """Yield all rows before those of the table."""
    yield (report.title,)
    yield from _lines([Line(report.subject_label, report.subject)], clock)
    yield from _lines(report.heading, clock)
    yield from _lines((Line("District", report.district), Line("School", report.place)), clock)
    yield from _lines([Line("As Of", report.as_of)], clock)
    yield ()
    yield (report.summary.title,)
    yield from _lines(report.summary.lines, clock)
    for section in report.sections:
        yield ()
        yield (section.title,)
        yield from _section(section, clock)
    if (table := report.rows) is not None:
        yield ()
        yield (table.title,)
        for mark, meaning in table.legend:
            yield (DUPLICATE_IN_CSV if mark == DUPLICATE else mark, str(meaning))
        yield [column.title for column in table.data_columns]


def _section(section: ReportSection, clock: Clock) -> Iterator[tuple[str | int, ...]]:
    yield from _lines(section.lines, clock)
    for text in section.texts:
        if isinstance(text, MessageBody):
            body = paragraphs(text.text, text.format)
            text = Line(text.label, "\n".join(map(plain_text, body)))
        yield from _lines([text], clock)


def _lines(lines: Iterable[Line], clock: Clock) -> Iterator[tuple[str, str | int]]:
    for label, value in lines:
        yield harmless(label), _field(value, clock)
