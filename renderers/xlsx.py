"""A report as a workbook: a sheet with the summary, and one with the Delivery Detail to sort and filter.

Instants are real dates on the district's wall clock, figures and codes are numbers, and text is always text, whatever sign it
begins with.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from domain.report import status_label
from domain.status import PHONE_MODES, DeliveryMode
from renderers.body import clean_text, paragraphs, written
from renderers.cells import MODE_LABELS, NO_DEVICE, Clock
from renderers.document import (
    COLUMNS,
    DUPLICATE,
    LANGUAGE,
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
WIDTHS: Final = (30, 28, 42, 9, 26, 8, 21)
TIME_FORMAT: Final = "mm/dd/yyyy hh:mm AM/PM"
SHEET: Final = "Delivery Detail"
ROWS_A_SHEET: Final = 1_048_575
"""Excel's 1,048,576 less the head; what is more goes on in another sheet."""
LONGEST_CELL: Final = 32_000
"""Characters; Excel takes 32,767."""
FONT: Final = "Calibri"
ROW_HEIGHT: Final = 15.0
"""Points, for one line."""
TALLEST_ROW: Final = 405.0
"""Excel's 409, to whole lines."""
VALUE_WIDTH: Final = 90
SIGNS: Final = ("=", "+", "-", "@", "#")
"""Text that begins so would be taken for a formula or an error, at once or when somebody edits it."""

_ACCENT: Final = "FF1A3B66"
_MUTED: Final = "FF5C687A"
_PAPER_LETTER: Final = 1


def render(report: Report, file: BinaryIO, *, progress: Callable[[int], None]) -> Rendered:
    """Write `report` to `file`. `progress` is told how many rows of the Delivery Detail are written, after each page of them."""
    book = Workbook(write_only=True)
    book.properties.title = clean_text(f"{TITLE}: {report.subject}")
    book.properties.creator = clean_text(report.district)
    book.properties.language = LANGUAGE
    book.properties.created = report.as_of.astimezone(UTC).replace(tzinfo=None)
    try:
        rows = _write(book, report, progress)
        book.save(file)
    except BaseException:
        _abandon(book)
        raise
    return Rendered(rows)


def _write(book: Workbook, report: Report, progress: Callable[[int], None]) -> int:
    """Write the sheets; answers how many rows the Delivery Detail has."""
    clock = Clock(report.zone)
    _SummarySheet(book, clock).write(report)
    if not report.has_rows:
        return 0
    rows = 0
    detail = _DetailSheets(book, report, clock)
    for page in report.rows:
        for row in page:
            detail.write(row)
        rows += len(page)
        progress(rows)
    detail.end()
    return rows


def _abandon(book: Workbook) -> None:
    """Close and remove the temporary file of each sheet: openpyxl would at the end of the process, and complain."""
    sheets: Any = book.worksheets
    for sheet in sheets:
        if not sheet.closed:
            sheet.close()
        if Path(sheet._writer.out).exists():
            sheet._writer.cleanup()


class _SummarySheet:
    """Everything but the rows, one line below the other."""

    def __init__(self, book: Workbook, clock: Clock) -> None:
        self._sheet = _new_sheet(book, "Summary", "portrait")
        self._sheet.column_dimensions["A"].width = 44
        self._sheet.column_dimensions["B"].width = VALUE_WIDTH
        self._sheet.sheet_view.showGridLines = False
        self._clock = clock
        self._rows = 0

    def write(self, report: Report) -> None:
        self._title(TITLE, 11, _MUTED)
        self._title(report.subject, 18, _ACCENT)
        district, school = letterhead(report)
        self._lines((*heading(report), Line("District", district), Line("School", school)))
        self._lines([Line("As Of", report.as_of)])
        self._section("Delivery Summary", [line for group in summary(report) for line in group])
        if report.has_everything:
            self._section("Filter Criteria", [Line(*criterion) for criterion in report.criteria])
            self._section("Message Detail", list(_message(report)))
        if report.has_rows:
            self._section("Marks", legend(report))

    def _title(self, text: str, size: int, color: str) -> None:
        cell = self._text(text)
        cell.font = Font(name=FONT, size=size, bold=True, color=color)
        self._append([cell], height=size * 1.5)

    def _append(self, cells: list[Any], *, height: float = ROW_HEIGHT) -> None:
        """Add a row. Its height is said, since not every program works it out for text that wraps."""
        self._rows += 1
        self._sheet.row_dimensions[self._rows].height = height
        self._sheet.append(cells)

    def _section(self, title: str, lines: Sequence[Line]) -> None:
        self._append([])
        self._title(title, 13, _ACCENT)
        self._lines(lines)

    def _lines(self, lines: Sequence[Line]) -> None:
        for line in lines:
            for label, value in _split(line):
                name = self._text(label)
                name.font = Font(name=FONT, color=_MUTED)
                lines_of_text = _lines_in_column(value) if isinstance(value, str) else 1
                self._append([name, self._value(value)], height=ROW_HEIGHT * lines_of_text)

    def _text(self, text: str) -> Any:
        cell = WriteOnlyCell(self._sheet)
        _set_text(cell, clean_text(text))
        cell.alignment = Alignment(vertical="top")
        return cell

    def _value(self, value: str | int | datetime | None) -> Any:
        if isinstance(value, str | None):
            cell = self._text(value or "")
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            return cell
        cell = WriteOnlyCell(self._sheet)
        cell.alignment = Alignment(horizontal="left", vertical="top")
        if isinstance(value, datetime):
            cell.number_format = TIME_FORMAT
            cell.value = self._clock.local(value)
        else:
            cell.value = value
        return cell


def _message(report: Report) -> Iterator[Line]:
    content = report.content
    yield Line("Reply To Email", content.reply_to)
    label = "Message Body"
    for paragraph in paragraphs(content.body, content.body_format):
        yield Line(label, written(paragraph))
        label = ""
    yield from told_apart(report)


def _lines_in_column(text: str) -> int:
    """About how many lines `text` takes in the column of values, at most what a row can be tall."""
    wide = {"W", "F"}
    lines = 0
    for written_line in text.split("\n"):
        width = sum(2 if unicodedata.east_asian_width(c) in wide else 1 for c in written_line)
        lines += 1 + max(0, width - 1) // VALUE_WIDTH
    return min(lines, int(TALLEST_ROW / ROW_HEIGHT))


def _split(line: Line) -> Iterator[Line]:
    """`line`, over several where its text is longer than a cell may be."""
    label, value = line
    if not isinstance(value, str) or len(value) <= LONGEST_CELL:
        yield line
        return
    for start in range(0, len(value), LONGEST_CELL):
        yield Line("" if start else label, value[start : start + LONGEST_CELL])


class _DetailSheets:
    """The Delivery Detail, over as many sheets as it needs."""

    def __init__(self, book: Workbook, report: Report, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._mark = NOT_CONTACTED if report.marks_contact else ""
        self._sheets = 0
        self._begin()

    def _begin(self) -> None:
        self._sheets += 1
        self._rows = 0
        self._sheet = _new_sheet(
            self._book, SHEET if self._sheets == 1 else f"{SHEET} {self._sheets}"
        )
        for number, width in enumerate(WIDTHS, start=1):
            self._sheet.column_dimensions[get_column_letter(number)].width = width
        self._sheet.freeze_panes = "A2"
        self._sheet.print_title_rows = "1:1"
        self._sheet.append([_head_cell(self._sheet, title) for title in HEAD])
        # One cell of each kind is enough: what it holds is written before the next row.
        self._time = WriteOnlyCell(self._sheet)
        self._time.number_format = TIME_FORMAT
        self._risky = [WriteOnlyCell(self._sheet) for _ in range(3)]

    def end(self) -> None:
        """Now it is known how far the filter reaches."""
        self._sheet.auto_filter.ref = f"A1:{get_column_letter(len(HEAD))}{self._rows + 1}"

    def write(self, row: DeliveryRow) -> None:
        if self._rows == ROWS_A_SHEET:
            self.end()
            self._begin()
        self._rows += 1
        recipient, student, contacted, mode, address, status, code, at, is_duplicate = row
        cells = [
            self._safe(0, recipient if contacted else recipient + self._mark),
            self._safe(1, student) if student else None,
        ]
        if mode is None or status is None:
            cells.append(NO_DEVICE)
        else:
            if at is not None:
                self._time.value = self._clock.local(at)
            cells += (
                self._address(mode, address + DUPLICATE if is_duplicate else address),
                MODE_LABELS[mode],
                status_label(status, code),
                code,
                self._time if at is not None else None,
            )
        self._sheet.append(cells)

    def _address(self, mode: DeliveryMode, address: str) -> Any:
        """A phone number begins with a sign by right, and openpyxl takes it for the text that it is."""
        is_number = mode in PHONE_MODES and address.startswith("+") and address.isprintable()
        return address if is_number else self._safe(2, address)

    def _safe(self, column: int, text: str) -> Any:
        """The text itself where openpyxl takes it for text, else a cell that says so."""
        if not text.isprintable():
            text = clean_text(text)
        if not text.startswith(SIGNS) and len(text) <= LONGEST_CELL:
            return text
        cell = self._risky[column]
        _set_text(cell, text)
        return cell


def _new_sheet(book: Workbook, title: str, orientation: str = "landscape") -> Any:
    """A sheet that is written row by row; the stubs do not know what it shares with an ordinary one."""
    sheet: Any = book.create_sheet(title)
    sheet.page_setup.orientation = orientation
    sheet.page_setup.paperSize = _PAPER_LETTER
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.oddFooter.right.text = "Page &P of &N"
    return sheet


def _head_cell(sheet: Any, title: str) -> Any:
    cell = WriteOnlyCell(sheet, title)
    cell.font = Font(name=FONT, bold=True, color="FFFFFFFF")
    cell.fill = PatternFill("solid", fgColor=_ACCENT)
    cell.alignment = Alignment(vertical="center")
    return cell


def _set_text(cell: Any, text: str) -> None:
    """Make `cell` hold `text` as text; Excel is told not to reconsider that when somebody edits it."""
    cell.value = text[:LONGEST_CELL]
    cell.data_type = "s"
    cell.quotePrefix = text.startswith(SIGNS)
