"""Render a report as a workbook: a sheet with the summary, and one with the Delivery Detail to sort and filter.

Instants are dates in the district's local time, figures and codes are numbers. Text is always text, also if it begins like a
formula.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from domain.modes import MODES, PHONE_MODES
from domain.report import status_label
from domain.status import DeliveryMode
from renderers.body import paragraphs, plain_text
from renderers.cells import NO_DEVICE, Clock
from renderers.document import (
    COLUMNS,
    DUPLICATE,
    LANGUAGE,
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
from renderers.estimate import about_width
from renderers.texts import clean_line
from renderers.xlsx_strings import SharedStrings

RECIPIENT, STUDENT, DEVICE, STATUS, TIME = COLUMNS
HEAD: Final = (RECIPIENT, STUDENT, DEVICE, "Mode", STATUS, "Code", TIME)
WIDTHS: Final = (30, 28, 42, 9, 26, 8, 21)
TIME_FORMAT: Final = "mm/dd/yyyy hh:mm AM/PM"
SHEET: Final = "Delivery Detail"
ROWS_A_SHEET: Final = 1_048_575
"""Excel's 1,048,576 less the header; more rows go into another sheet."""
LONGEST_CELL: Final = 32_000
"""Most characters of a cell; Excel's limit is 32,767."""
FONT: Final = "Calibri"
ROW_HEIGHT: Final = 15.0
"""The height of one line in points."""
TALLEST_ROW: Final = 405.0
"""Excel's limit of 409, rounded to whole lines."""
LABEL_WIDTH: Final = 44
VALUE_WIDTH: Final = 90
BODY_SIZE: Final = 11
BOLD_SHARE: Final = 0.85
"""Bold letters of a title per digit of the same size; column widths are in digits."""
SIGNS: Final = ("=", "+", "-", "@", "#")
"""Excel takes text that begins with one of these for a formula or an error, at once or when it is edited."""

_ACCENT: Final = "FF1A3B66"
_MUTED: Final = "FF5C687A"
_PAPER_LETTER: Final = 1


def render(report: ReportDocument, file: BinaryIO, *, progress: Callable[[int], None]) -> Rendered:
    """Write `report` to `file`. `progress` gets the number of rows written so far, after each page."""
    report = with_clean_texts(report)
    book = Workbook(write_only=True)
    book.properties.title = clean_line(f"{TITLE}: {report.subject}")
    book.properties.creator = report.district
    book.properties.language = LANGUAGE
    book.properties.created = report.as_of.astimezone(UTC).replace(tzinfo=None)
    strings = SharedStrings()
    try:
        rows = _write(book, strings, report, progress)
        strings.save(book, file)
    except BaseException:
        _abandon(book)
        raise
    return Rendered(rows)


def _write(
    book: Workbook, strings: SharedStrings, report: ReportDocument, progress: Callable[[int], None]
) -> int:
    """Write the sheets and return the number of rows of the Delivery Detail."""
    clock = Clock(report.zone)
    _SummarySheet(book, strings, clock).write(report)
    if not report.has_rows:
        return 0
    rows = 0
    detail = _DetailSheets(book, strings, report, clock=clock)
    for page in report.rows:
        for row in page:
            detail.write(row)
        rows += len(page)
        progress(rows)
    detail.end()
    return rows


def _abandon(book: Workbook) -> None:
    """Close and remove the temporary file of each sheet: openpyxl would do it at exit, with warnings."""
    sheets: Any = book.worksheets
    for sheet in sheets:
        if not sheet.closed:
            sheet.close()
        if Path(sheet._writer.out).exists():
            sheet._writer.cleanup()


class _SummarySheet:
    """The sheet with everything except the rows of the Delivery Detail."""

    def __init__(self, book: Workbook, strings: SharedStrings, clock: Clock) -> None:
        self._strings = strings
        self._sheet = _new_sheet(book, "Summary", "portrait")
        self._sheet.column_dimensions["A"].width = LABEL_WIDTH
        self._sheet.column_dimensions["B"].width = VALUE_WIDTH
        self._sheet.sheet_view.showGridLines = False
        self._clock = clock
        self._rows = 0

    def write(self, report: ReportDocument) -> None:
        self._title(TITLE, 11, _MUTED)
        self._title(report.subject, 18, _ACCENT)
        district, school = letterhead(report)
        self._lines((*heading(report), Line("District", district), Line("School", school)))
        self._lines([Line("As Of", report.as_of)])
        self._section("Delivery Summary", [line for group in summary(report) for line in group])
        if report.has_everything:
            self._section("Filter Criteria", [Line(*criterion) for criterion in report.criteria])
            self._section("Message Detail", list(_message(report)))
        if report.has_rows and (marks := legend(report)):
            self._section("Marks", marks)

    def _title(self, text: str, size: int, color: str) -> None:
        """Add a title over both columns, with as many lines as it needs."""
        cell = self._text(text)
        cell.font = Font(name=FONT, size=size, bold=True, color=color)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        room = int((LABEL_WIDTH + VALUE_WIDTH) * BODY_SIZE / size * BOLD_SHARE)
        height = size * 1.5 * _lines_of_column(text, room)
        self._append([cell], height=min(height, TALLEST_ROW))
        self._sheet.merged_cells.add(f"A{self._rows}:B{self._rows}")

    def _append(self, cells: list[Any], *, height: float = ROW_HEIGHT) -> None:
        """Add a row with an explicit height, since not every program computes it for wrapped text."""
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
                deep = _lines_of_column(value, VALUE_WIDTH) if isinstance(value, str) else 1
                height = min(ROW_HEIGHT * deep, TALLEST_ROW)
                self._append([name, self._value(value)], height=height)

    def _text(self, text: str) -> Any:
        cell = WriteOnlyCell(self._sheet)
        _set_text(cell, text, self._strings)
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


def _message(report: ReportDocument) -> Iterator[Line]:
    content = report.content
    yield Line("Reply To Email", content.reply_to)
    label = "Message Body"
    for paragraph in paragraphs(content.body, content.body_format):
        yield Line(label, plain_text(paragraph))
        label = ""
    yield from separate_texts(report)


def _lines_of_column(text: str, room: int) -> int:
    """Return about how many lines `text` takes in a column that is `room` digits wide."""
    widths = map(about_width, text.split("\n"))
    return sum(1 + int(max(0, width - 1) // room) for width in widths)


def _split(line: Line) -> Iterator[Line]:
    """Yield `line`, split into several if its text is too long for a cell."""
    label, value = line
    if not isinstance(value, str) or len(value) <= LONGEST_CELL:
        yield line
        return
    for start in range(0, len(value), LONGEST_CELL):
        yield Line("" if start else label, value[start : start + LONGEST_CELL])


class _DetailSheets:
    """The Delivery Detail, over as many sheets as it needs."""

    def __init__(
        self, book: Workbook, strings: SharedStrings, report: ReportDocument, *, clock: Clock
    ) -> None:
        self._book = book
        self._strings = strings
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
        # These cells are reused: each row is written before the next one.
        self._time = WriteOnlyCell(self._sheet)
        self._time.number_format = TIME_FORMAT
        self._risky = [WriteOnlyCell(self._sheet) for _ in range(3)]

    def end(self) -> None:
        """End the sheet: set the range of its filter."""
        self._sheet.auto_filter.ref = f"A1:{get_column_letter(len(HEAD))}{self._rows + 1}"

    def write(self, row: DetailRow) -> None:
        if self._rows == ROWS_A_SHEET:
            self.end()
            self._begin()
        self._rows += 1
        recipient, student, contacted, mode, address, status, code, at, is_duplicate = row
        recipient = clean_line(recipient)
        cells = [
            self._safe(0, recipient if contacted else recipient + self._mark),
            self._safe(1, clean_line(student)) if student else None,
        ]
        if mode is None or status is None:
            cells.append(NO_DEVICE)
        else:
            address = clean_line(address)
            if at is not None:
                self._time.value = self._clock.local(at)
            cells += (
                self._address(mode, address + DUPLICATE if is_duplicate else address),
                MODES[mode].label,
                status_label(status, code),
                code,
                self._time if at is not None else None,
            )
        self._sheet.append(cells)

    def _address(self, mode: DeliveryMode, address: str) -> Any:
        """Return a phone number as it is, since openpyxl writes it as text; make any other address safe."""
        is_number = mode in PHONE_MODES and address.startswith("+") and "_x" not in address
        return address if is_number else self._safe(2, address)

    def _safe(self, column: int, text: str) -> Any:
        """Return the text if openpyxl writes it as text, otherwise a cell with the type text."""
        if not text.startswith(SIGNS) and "_x" not in text and len(text) <= LONGEST_CELL:
            return text
        cell = self._risky[column]
        _set_text(cell, text, self._strings)
        return cell


def _new_sheet(book: Workbook, title: str, orientation: str = "landscape") -> Any:
    """Return a write-only sheet. Its type is Any, since the stubs lack the attributes of an ordinary sheet."""
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


def _set_text(cell: Any, text: str, strings: SharedStrings) -> None:
    """Write `text` into `cell` as text; `quotePrefix` keeps it text when it is edited in Excel."""
    strings.write(cell, text[:LONGEST_CELL])
    cell.quotePrefix = text.startswith(SIGNS)
