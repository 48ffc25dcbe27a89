"""Render a report as a workbook: a sheet with the summary, and one with the table to sort and filter.

Instants are dates in the district's local time, figures and codes are numbers. Text is always text, also if it begins like a
formula.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from renderers.body import paragraphs, plain_text
from renderers.cells import Clock
from renderers.document import (
    DUPLICATE,
    LANGUAGE,
    Cell,
    Line,
    PhoneNumber,
    Rendered,
    ReportDocument,
    ReportRows,
    ReportSection,
    with_clean_texts,
)
from renderers.estimate import about_width
from renderers.texts import clean_line
from renderers.xlsx_strings import SharedStrings

TIME_FORMAT: Final = "mm/dd/yyyy hh:mm AM/PM"
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
    book.properties.title = clean_line(f"{report.title}: {report.subject}")
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
    """Write the sheets and return the number of rows of the table."""
    clock = Clock(report.zone)
    _SummarySheet(book, strings, clock).write(report)
    rows = 0
    if (table := report.rows) is not None:
        cells = table.data_cells(DUPLICATE)
        sheets = _TableSheets(book, strings, table, clock=clock)
        for page in table.pages:
            for row in page:
                sheets.write(cells(row))
            rows += len(page)
            progress(rows)
        sheets.end()
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
    """The sheet with everything except the table."""

    def __init__(self, book: Workbook, strings: SharedStrings, clock: Clock) -> None:
        self._strings = strings
        self._sheet = _new_sheet(book, "Summary", "portrait")
        self._sheet.column_dimensions["A"].width = LABEL_WIDTH
        self._sheet.column_dimensions["B"].width = VALUE_WIDTH
        self._sheet.sheet_view.showGridLines = False
        self._clock = clock
        self._rows = 0

    def write(self, report: ReportDocument) -> None:
        self._title(report.title, 11, _MUTED)
        self._title(report.subject, 18, _ACCENT)
        self._lines(report.heading)
        self._lines((Line("District", report.district), Line("School", report.place)))
        self._lines([Line("As Of", report.as_of)])
        self._section(report.summary.title, report.summary.lines)
        for section in report.sections:
            self._section(section.title, _lines_of_section(section))
        if report.rows is not None and report.rows.legend:
            self._section("Marks", report.rows.legend)

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

    def _section(self, title: str, lines: Iterable[Line]) -> None:
        self._append([])
        self._title(title, 13, _ACCENT)
        self._lines(lines)

    def _lines(self, lines: Iterable[Line]) -> None:
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


def _lines_of_section(section: ReportSection) -> Iterator[Line]:
    yield from section.lines
    for text in section.texts:
        if isinstance(text, Line):
            yield text
            continue
        label = text.label
        for paragraph in paragraphs(text.text, text.format):
            yield Line(label, plain_text(paragraph))
            label = ""


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


class _TableSheets:
    """The table, over as many sheets as it needs."""

    def __init__(
        self, book: Workbook, strings: SharedStrings, table: ReportRows[Any], *, clock: Clock
    ) -> None:
        self._book = book
        self._strings = strings
        self._clock = clock
        self._title = table.title
        self._columns = table.data_columns
        self._sheets = 0
        self._begin()

    def _begin(self) -> None:
        self._sheets += 1
        self._rows = 0
        self._sheet = _new_sheet(
            self._book, self._title if self._sheets == 1 else f"{self._title} {self._sheets}"
        )
        for number, column in enumerate(self._columns, start=1):
            self._sheet.column_dimensions[get_column_letter(number)].width = column.width
        self._sheet.freeze_panes = "A2"
        self._sheet.print_title_rows = "1:1"
        self._sheet.append([_head_cell(self._sheet, column.title) for column in self._columns])
        # These cells are reused: each row is written before the next one.
        self._times = [WriteOnlyCell(self._sheet) for _ in self._columns]
        for cell in self._times:
            cell.number_format = TIME_FORMAT
        self._risky = [WriteOnlyCell(self._sheet) for _ in self._columns]

    def end(self) -> None:
        """End the sheet: set the range of its filter."""
        self._sheet.auto_filter.ref = f"A1:{get_column_letter(len(self._columns))}{self._rows + 1}"

    def write(self, row: Sequence[Cell]) -> None:
        if self._rows == ROWS_A_SHEET:
            self.end()
            self._begin()
        self._rows += 1
        cells: list[Any] = list(row)
        for column, value in enumerate(row):
            if isinstance(value, str):
                if value.startswith(SIGNS) or "_x" in value or len(value) > LONGEST_CELL:
                    cells[column] = self._safe(column, value)
            elif isinstance(value, datetime):
                cells[column] = time = self._times[column]
                time.value = self._clock.local(value)
        self._sheet.append(cells)

    def _safe(self, column: int, text: str) -> Any:
        """Return a cell with the type text; but a phone number as it is, since openpyxl writes it as text."""
        if isinstance(text, PhoneNumber) and text.startswith("+") and "_x" not in text:
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
