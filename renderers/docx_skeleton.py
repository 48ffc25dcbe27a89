"""The Word document without the rows of its table.

`docx_styles` defines the styles, and makes elements that python-docx does not support.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any, Final

import docx
from docx.document import Document
from docx.enum.text import WD_TAB_ALIGNMENT
from docx.section import Section, _Footer, _Header
from docx.shared import Pt, Twips
from docx.table import Table
from docx.text.paragraph import Paragraph as WordParagraph

from renderers.body import Paragraph, ParagraphKind, link_suffix, paragraphs
from renderers.cells import Clock
from renderers.document import (
    LANGUAGE,
    Line,
    MessageBody,
    ReportDocument,
    ReportRows,
    ReportSection,
    ReportSummary,
)
from renderers.docx_styles import (
    ACCENT_FILL,
    BODY_STYLE,
    CELL_STYLE,
    DETAIL_STYLE,
    EYEBROW_STYLE,
    FOOT_STYLE,
    FURNITURE_SIZE,
    HEAD_STYLE,
    LABEL_STYLE,
    PANEL_STYLE,
    VALUE_STYLE,
    add_styles,
    element,
    field,
    from_the_right,
    hyperlink,
    is_right_to_left,
    repeat_on_every_page,
    set_columns,
)
from renderers.estimate import FIGURE, about_width, fitting
from renderers.texts import clean_line

__all__ = ["CELL_STYLE", "ROWS_GO_HERE", "skeleton"]

ROWS_GO_HERE: Final = b'<w:tr w:rsidR="00A0B0C0"/>'
"""The placeholder for the rows. No text can equal it, since angle brackets in text are escaped."""

PAPER: Final = (12240, 15840)
MARGIN: Final = 860
ROOM: Final = PAPER[0] - 2 * MARGIN
"""In twentieths of a point, like every width here."""
FURNITURE_ROOM: Final = ROOM / 20 / (FURNITURE_SIZE * FIGURE) - 5
"""The width of a line of a header or footer, in digits, less a gap."""
LABEL_ROOM: Final = 2600
HEAD_WIDTHS: Final = (3400, 2600, 2100, ROOM - 8100)
SUMMARY_WIDTHS: Final = {
    2: (3900, ROOM // 2 - 3900) * 2,
    3: (1550, 1950, 1350, 750, 3900, ROOM - 1550 - 1950 - 1350 - 750 - 3900),
}
"""The widths of labels and values in two or three groups."""


def skeleton(report: ReportDocument) -> Document:
    """Return the document, with `ROWS_GO_HERE` in the table if the report has rows. The texts of `report` must be clean."""
    document = docx.Document()
    add_styles(document)
    clock = Clock(report.zone)
    _properties(document, report)
    _paper(document, report, clock)
    _head(document, report, clock)
    _summary(document, report.summary, clock)
    for section in report.sections:
        document.add_heading(section.title, 1)
        _section(document, section, clock)
    if report.rows is not None:
        _table_head(document, report.rows)
    return document


def _properties(document: Document, report: ReportDocument) -> None:
    properties = document.core_properties
    properties.title = _fit(f"{report.title}: {report.subject}")
    properties.author = _fit(report.district)
    properties.last_modified_by = properties.author
    properties.language = LANGUAGE
    properties.comments = ""
    properties.created = properties.modified = report.as_of.astimezone(UTC).replace(tzinfo=None)


def _fit(text: str) -> str:
    """Return `text` cut to 255 characters, the limit of a document property."""
    return clean_line(text)[:255]


def _paper(document: Document, report: ReportDocument, clock: Clock) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = map(Twips, PAPER)
    section.left_margin = section.right_margin = Twips(MARGIN)
    section.top_margin, section.bottom_margin = Twips(1080), Twips(1080)
    section.header_distance, section.footer_distance = Twips(560), Twips(560)
    section.different_first_page_header_footer = True
    as_of = _as_of(report, clock)
    title = report.title
    _furniture(section.header, _fitting_beside(title, clean_line(report.subject)), title)
    place = f"{report.district} · {report.place}"
    _furniture(section.first_page_header, _fitting_beside(as_of, place), as_of)
    _feet(section, report, clock)


def _fitting_beside(right: str, left: str) -> str:
    """Return `left`, cut with an ellipsis if it would overlap `right` on the same line of a header or footer."""
    return fitting(left, FURNITURE_ROOM - about_width(right))


def _as_of(report: ReportDocument, clock: Clock) -> str:
    return f"As of {clock.text(report.as_of)}"


def _furniture(place: _Header | _Footer, left: str, right: str) -> WordParagraph:
    """Fill a header or footer with text at the left and at the right."""
    paragraph: WordParagraph = place.paragraphs[0]
    paragraph.style = HEAD_STYLE if isinstance(place, _Header) else FOOT_STYLE
    stops = paragraph.paragraph_format.tab_stops
    stops.add_tab_stop(Twips(ROOM), WD_TAB_ALIGNMENT.RIGHT)
    paragraph.add_run(f"{left}\t{right}")
    return paragraph


def _feet(section: Section, report: ReportDocument, clock: Clock) -> None:
    as_of = f" · {_as_of(report, clock)}"
    district = _fitting_beside(f"{as_of}Page 100000 of 100000", report.district)
    for place in (section.first_page_footer, section.footer):
        paragraph = _furniture(place, f"{district}{as_of}", "Page ")
        field(paragraph, "PAGE")
        paragraph.add_run(" of ")
        field(paragraph, "NUMPAGES")


def _head(document: Document, report: ReportDocument, clock: Clock) -> None:
    document.add_paragraph(report.title.upper(), EYEBROW_STYLE)
    document.add_paragraph(report.subject, "Title")
    table = _table(document, 1, HEAD_WIDTHS)
    for cell, line in zip(table.rows[0].cells, report.heading, strict=False):
        cell.paragraphs[0].style = LABEL_STYLE
        cell.paragraphs[0].add_run(line.label)
        cell.add_paragraph(clock.value(line.value), BODY_STYLE)


def _summary(document: Document, summary: ReportSummary, clock: Clock) -> None:
    document.add_heading(summary.title, 1)
    groups = summary.groups
    table = _table(document, max(map(len, groups)), SUMMARY_WIDTHS[len(groups)], PANEL_STYLE)
    for column, group in enumerate(groups):
        cells = (table.column_cells(2 * column), table.column_cells(2 * column + 1))
        for line, label, value in zip(group, *cells, strict=False):
            label.paragraphs[0].add_run(line.label)
            label.paragraphs[0].style = LABEL_STYLE
            value.paragraphs[0].add_run(clock.value(line.value))
            value.paragraphs[0].style = VALUE_STYLE
    if summary.below is not None:
        document.add_heading(summary.below.title, 2)
        _pairs(document, summary.below.lines, clock)


def _table(
    document: Document, rows: int, widths: tuple[int, ...], style: str | None = None
) -> Table:
    table: Table = document.add_table(rows, len(widths), style)
    set_columns(table, widths)
    return table


def _pairs(document: Document, lines: Sequence[Line], clock: Clock) -> None:
    table = _table(document, len(lines), (LABEL_ROOM, ROOM - LABEL_ROOM))
    labels, values = table.column_cells(0), table.column_cells(1)
    for line, label, value in zip(lines, labels, values, strict=True):
        label.paragraphs[0].style = LABEL_STYLE
        label.paragraphs[0].add_run(line.label)
        value.paragraphs[0].style = BODY_STYLE
        value.paragraphs[0].add_run(clock.value(line.value))


def _section(document: Document, section: ReportSection, clock: Clock) -> None:
    _pairs(document, section.shown_lines, clock)
    for text in section.texts:
        document.add_heading(text.label, 2)
        if isinstance(text, MessageBody):
            for paragraph in paragraphs(text.text, text.format):
                _body_paragraph(document, paragraph)
        else:
            document.add_paragraph(str(text.value), BODY_STYLE)


def _body_paragraph(document: Document, paragraph: Paragraph) -> None:
    """Add a paragraph of the message's body."""
    target = document.add_paragraph(style=BODY_STYLE)
    goes_left = is_right_to_left(paragraph.text)
    if goes_left:
        from_the_right(target)
    if paragraph.depth:
        target.paragraph_format.left_indent = Pt(16 * paragraph.depth)
        target.paragraph_format.space_after = Pt(1)
    if paragraph.marker:
        target.paragraph_format.first_line_indent = Pt(-16)
        target.paragraph_format.tab_stops.add_tab_stop(Pt(16 * paragraph.depth))
        target.add_run(f"{paragraph.marker}\t")
    for span in paragraph.spans:
        if span.link is None:
            run = target.add_run(span.text)
            run.bold = paragraph.kind is ParagraphKind.HEADING or None
        else:
            run = hyperlink(target, span.text + link_suffix(span), span.link)
        run.font.rtl = goes_left or None


def _table_head(document: Document, rows: ReportRows[Any]) -> None:
    document.add_heading(rows.title, 1)
    if rows.legend:
        _legend(document, rows.legend)
    columns = rows.page_columns
    table = _table(document, 1, tuple(column.word_width for column in columns), DETAIL_STYLE)
    repeat_on_every_page(table.rows[0])
    for cell, column in zip(table.rows[0].cells, columns, strict=True):
        cell.paragraphs[0].style = CELL_STYLE
        cell.paragraphs[0].add_run(column.title).bold = True
        cell._tc.get_or_add_tcPr().append(
            element(f'<w:shd w:val="clear" w:color="auto" w:fill="{ACCENT_FILL}"/>')
        )
    table._tbl.append(element(ROWS_GO_HERE.decode()))


def _legend(document: Document, lines: Iterable[Line]) -> None:
    marks = document.add_paragraph(style=LABEL_STYLE)
    marks.paragraph_format.space_after = Pt(4)
    marks.paragraph_format.keep_with_next = True
    for number, (mark, meaning) in enumerate(lines):
        marks.add_run(f"{'     ' if number else ''}{mark}").bold = True
        marks.add_run(f" {meaning}")
