"""A report of any kind, the same in every file format: titles, lines, sections, and at most one table of rows.

The modules of `renderers.contents` compose it. Each renderer decides the layout.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Any, Final, Generic, NamedTuple, TypeVar

from domain.message import BodyFormat
from renderers.cells import Clock
from renderers.texts import clean_line, clean_text

LANGUAGE: Final = "en-US"
DISTRICT_WIDE: Final = "District-wide"
"""The place of what no school limits."""

DUPLICATE: Final = "†"
DUPLICATE_IN_CSV: Final = "&"

Row = TypeVar("Row")


class Rendered(NamedTuple):
    """The result of rendering."""

    rows: int
    """Rows of the table."""


class PhoneNumber(str):
    """A phone number in a table: a spreadsheet does not read its `+` as a formula."""

    __slots__ = ()


Cell = str | int | datetime | None
"""A cell of a table as data; an instant is timezone-aware."""


class Line(NamedTuple):
    """A label and its value, None if there is no value yet. An instant is shown in local time."""

    label: str
    value: str | int | datetime | None


class MessageBody(NamedTuple):
    """The body of a message with its label. It keeps its markup, which `renderers.body` reads."""

    label: str
    text: str
    format: BodyFormat


class PageColumn(NamedTuple):
    """A column on a page. The fonts of PDF and Word differ, and so do the widths."""

    title: str
    width: float
    """In points; the widths of a PDF's page add up to `renderers.sheet.ROOM`."""
    word_width: int
    """In twentieths of a point; together at most `renderers.docx_skeleton.ROOM`."""
    repeats: bool = False
    """Few of its texts differ, so their encoded form is cached. Such columns are the last ones."""


class DataColumn(NamedTuple):
    """A column of a CSV or of a worksheet, where its width is in digits."""

    title: str
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRows(Generic[Row]):
    """The table of a report. `pages` yields its rows in pages and is read once.

    Each function returns another one, which turns a row into cells with clean texts.
    """

    title: str
    legend: Sequence[Line] = ()
    """The meaning of each mark in the rows, with the mark as label."""
    empty: str
    """Shown on a page if there are no rows."""
    page_columns: Sequence[PageColumn]
    grouped_by: int = 0
    """Rows whose first cells on a page are equal, so many of them, are a group.

    The last of these cells is shown once: in the first row of the group, and in a PDF again at the top of a page.
    """
    data_columns: Sequence[DataColumn]
    pages: Iterable[Sequence[Row]] = field(repr=False)
    page_cells: Callable[[Clock], Callable[[Row], tuple[str, ...]]] = field(repr=False)
    """A line feed in a cell begins another line."""
    data_cells: Callable[[str], Callable[[Row], Sequence[Cell]]] = field(repr=False)
    """Its argument is the mark of a duplicate. There may be fewer cells than columns."""
    csv_line: Callable[[Clock], Callable[[Row], str]] | None = field(default=None, repr=False)
    """The line of a row in a CSV, from a function that is faster than `data_cells`."""

    def in_group(self, cells: tuple[str, ...]) -> tuple[str, ...]:
        """Return the cells of a row after the first of its group."""
        return (*cells[: self.grouped_by - 1], "", *cells[self.grouped_by :])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """A section: lines, then longer texts below their labels."""

    title: str
    lines: Sequence[Line] = ()
    texts: Sequence[Line | MessageBody] = ()
    empty: str = ""
    """Shown on a page if there are no lines."""

    @property
    def shown_lines(self) -> Sequence[Line]:
        """Its lines on a page."""
        return self.lines or ([Line(self.empty, "")] if self.empty else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSummary:
    """The summary: two or three groups of lines side by side, each of which has a line, and lines below them."""

    title: str
    groups: Sequence[Sequence[Line]]
    below: ReportSection | None = None

    @property
    def lines(self) -> list[Line]:
        """All its lines in one column."""
        below = () if self.below is None else self.below.lines
        return [line for group in (*self.groups, below) for line in group]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDocument:
    """A report at one moment. Instants are timezone-aware and shown in the local time of `zone`."""

    title: str
    """The kind of report."""
    subject: str
    """The headline."""
    subject_label: str = "Subject"
    district: str
    place: str
    """The school, or `DISTRICT_WIDE`."""
    zone: tzinfo
    as_of: datetime
    heading: Sequence[Line]
    """At most four lines, shown below the subject."""
    summary: ReportSummary
    sections: Sequence[ReportSection] = ()
    rows: ReportRows[Any] | None = None


def with_clean_texts(report: ReportDocument) -> ReportDocument:
    """Return `report` with texts for every file format: labels and names on one line, other texts with line feeds.

    The cells of the rows are clean already.
    """
    summary = report.summary
    return replace(
        report,
        district=clean_line(report.district),
        place=clean_line(report.place),
        subject=clean_text(report.subject).strip(),
        heading=_clean_lines(report.heading),
        summary=replace(
            summary,
            groups=[_clean_lines(group) for group in summary.groups],
            below=None if summary.below is None else _clean_section(summary.below),
        ),
        sections=[_clean_section(section) for section in report.sections],
    )


def _clean_section(section: ReportSection) -> ReportSection:
    texts = [text if isinstance(text, MessageBody) else _clean_line(text) for text in section.texts]
    return replace(section, lines=_clean_lines(section.lines), texts=texts)


def _clean_lines(lines: Iterable[Line]) -> list[Line]:
    return [_clean_line(line) for line in lines]


def _clean_line(line: Line) -> Line:
    label, value = line
    return Line(clean_line(label), clean_text(value) if isinstance(value, str) else value)
