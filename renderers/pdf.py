"""Render a report as PDF: letter paper, one column, the sections in the order of the manual's example.

`sheet` draws, `pdf_table` writes the rows, `pdf_file` writes the file.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import UTC
from typing import Any, BinaryIO, Final

from fpdf.prefs import ViewerPreferences

from renderers.body import paragraphs
from renderers.cells import Clock
from renderers.document import (
    LANGUAGE,
    Line,
    MessageBody,
    Rendered,
    ReportDocument,
    ReportRows,
    ReportSection,
    ReportSummary,
    with_clean_texts,
)
from renderers.faces import Style
from renderers.pdf_file import PagedFile
from renderers.pdf_head import draw_head
from renderers.pdf_table import ROW, RowTable
from renderers.sheet import (
    ACCENT,
    BAND,
    INK,
    LEFT,
    MUTED,
    RIGHT,
    ROOM,
    RULE,
    Look,
    Sheet,
    shown,
)
from renderers.stand_ins import NUMBER_NOTE
from renderers.texts import clean_line

PRODUCER: Final = "sentlog"
LABEL: Final = Look(8.25, color=MUTED)
VALUE: Final = Look(8.25, Style.BOLD)
TEXT: Final = Look(9)
FOOT: Final = Look(7.5, color=MUTED)
FOOT_LINE: Final = 32.0
"""The baseline of the footer, from the lower edge of the page."""
NOTE_LINE: Final = 21.5
LABEL_ROOM: Final = 124.0
GUTTER: Final = 18.0
SUMMARY_COLUMNS: Final = {
    2: ((ROOM - GUTTER - 20) / 2,) * 2,
    3: (156.0, 104.0, ROOM - 156 - 104 - 2 * GUTTER - 20),
}
"""The widths of two or three groups of the summary."""


def render(report: ReportDocument, file: BinaryIO, *, progress: Callable[[int], None]) -> Rendered:
    """Write `report` to `file`. `progress` gets the number of rows written so far, after each page of rows.

    The same report gives the same bytes.
    """
    report = with_clean_texts(report)
    with tempfile.TemporaryFile() as spool, ExitStack() as at_the_end:
        pdf = _new_file(report, spool)
        at_the_end.callback(pdf.close_fonts)
        sheet = Sheet(pdf, (clean_line(report.subject), report.title))
        sheet.next_page()
        clock = Clock(report.zone)
        draw_head(sheet, report, clock)
        _summary(sheet, report.summary, clock)
        for section in report.sections:
            _draw_section(sheet, section, clock)
        rows = 0
        if (table := report.rows) is not None:
            _table_head(sheet, table)
            rows = RowTable(sheet, table).write(table.page_cells(clock), progress)
            if not rows:
                sheet.y += 6
                sheet.block(LEFT + 5, table.empty, TEXT._replace(color=MUTED), ROOM)
        pdf.finish(file, foot=_foot(sheet, report, clock))
    return Rendered(rows)


def _new_file(report: ReportDocument, spool: BinaryIO) -> PagedFile:
    pdf = PagedFile(spool)
    pdf.set_lang(LANGUAGE)
    pdf.set_title(clean_line(f"{report.title}: {report.subject}"))
    pdf.set_author(report.district)
    pdf.set_producer(PRODUCER)
    pdf.set_creation_date(report.as_of.astimezone(UTC))
    pdf.viewer_preferences = ViewerPreferences(display_doc_title=True)
    digest = hashlib.sha256(f"{report!r}".encode(errors="replace")).hexdigest()[:32].upper()
    pdf.identifier = f"<{digest}><{digest}>"
    return pdf


def _foot(sheet: Sheet, report: ReportDocument, clock: Clock) -> Callable[[int, int], str]:
    """Return a function that returns the footer of a page.

    Call it after all pages are drawn, when the pages with `[U+…]` stand-ins are known: their footer has a note.
    """
    left = f"{sheet.fitting(report.district, FOOT, ROOM / 2)}  ·  As of {clock.text(report.as_of)}"
    runs = sheet.setter.runs(left, FOOT.style, FOOT.size)
    fixed = (
        f"{RULE.fill} {LEFT:g} {FOOT_LINE + 12:g} {ROOM:g} 0.5 re f {FOOT.color.fill} "
        f"BT {LEFT:g} {FOOT_LINE:g} Td {shown(runs, FOOT.size)} ET"
    )
    numbered = set(sheet.numbered_pages)
    if runs[0].has_numbers:
        numbered |= set(range(1, sheet.pdf.page + 1))
    note = ""
    if numbered:
        words = sheet.setter.runs(NUMBER_NOTE, FOOT.style, FOOT.size)
        note = f"BT {LEFT:g} {NOTE_LINE:g} Td {shown(words, FOOT.size)} ET"

    def foot(page: int, pages: int) -> str:
        text = f"Page {page} of {pages}"
        x = RIGHT - sheet.width(text, FOOT)
        runs = sheet.setter.runs(text, FOOT.style, FOOT.size)
        number = f"BT {x:.2f} {FOOT_LINE:g} Td {shown(runs, FOOT.size)} ET"
        return f"{fixed} {number} {note if page in numbered else ''}"

    return foot


def _section(sheet: Sheet, title: str, *, room_below: float) -> None:
    """Draw the title of a section with its bookmark; never alone at the end of a page."""
    sheet.need(34 + room_below)
    sheet.y += 18
    sheet.bookmark(title)
    sheet.block(LEFT, title, Look(12, Style.BOLD, ACCENT), ROOM)
    sheet.rule(LEFT, RIGHT, sheet.y + 1.5)
    sheet.y += 7


def _summary(sheet: Sheet, summary: ReportSummary, clock: Clock) -> None:
    groups = summary.groups
    height = 17.0 * max(map(len, groups)) + 8
    _section(sheet, summary.title, room_below=height)
    sheet.fill(LEFT, sheet.y, ROOM, height, BAND)
    x = LEFT + 10
    for group, room in zip(groups, SUMMARY_COLUMNS[len(groups)], strict=True):
        y = sheet.y + 17
        for line in group:
            sheet.text(x, y, line.label, LABEL)
            sheet.right_text(x + room, y, clock.value(line.value), VALUE)
            y += 17
        x += room + GUTTER
    sheet.y += height
    if summary.below is not None:
        sheet.y += 8
        _pairs(sheet, summary.below.lines, clock)


def _pairs(sheet: Sheet, lines: Iterable[Line], clock: Clock) -> None:
    """Draw labels at the left and their values beside them, each over as many lines as it needs."""
    for line in lines:
        labels = sheet.lines(line.label, LABEL, LABEL_ROOM - 10)
        sheet.need(len(labels) * LABEL.leading)
        top = sheet.y
        for number, label in enumerate(labels):
            sheet.text(LEFT, top + (number + 0.72) * LABEL.leading, label, LABEL)
        page = sheet.pdf.page
        sheet.block(
            LEFT + LABEL_ROOM, clock.value(line.value), TEXT._replace(size=8.75), ROOM - LABEL_ROOM
        )
        if sheet.pdf.page == page:
            sheet.y = max(sheet.y, top + len(labels) * LABEL.leading)
        sheet.y += 3


def _draw_section(sheet: Sheet, section: ReportSection, clock: Clock) -> None:
    _section(sheet, section.title, room_below=48 if section.texts else 24)
    _pairs(sheet, section.shown_lines, clock)
    for text in section.texts:
        _text_label(sheet, text.label)
        if isinstance(text, MessageBody):
            for paragraph in paragraphs(text.text, text.format):
                sheet.paragraph(LEFT + 10, paragraph, TEXT, ROOM - 20)
                sheet.y += 4 if not paragraph.depth else 1
        else:
            sheet.block(LEFT + 10, str(text.value), TEXT, ROOM - 20)


def _text_label(sheet: Sheet, label: str) -> None:
    sheet.need(6 + LABEL.leading + TEXT.leading)
    sheet.y += 6
    sheet.block(LEFT, label, LABEL, ROOM)
    sheet.y += 2


def _table_head(sheet: Sheet, table: ReportRows[Any]) -> None:
    _section(sheet, table.title, room_below=14 + 4 * ROW)
    look = Look(7.75, color=MUTED)
    x = LEFT
    for mark, meaning in table.legend:
        x += sheet.text(x, sheet.y + 8, f"{mark}", look._replace(style=Style.BOLD, color=INK)) + 4
        x += sheet.text(x, sheet.y + 8, str(meaning), look) + 16
    sheet.y += 16 if table.legend else 2
