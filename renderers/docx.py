"""Render a report as a Word document.

python-docx makes everything except the rows of the table (`docx_skeleton`). The rows are written as XML directly
into the file, since python-docx would keep each cell as an object.
"""

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, Final
from xml.sax.saxutils import escape

from renderers.cells import Clock
from renderers.document import Rendered, ReportDocument, ReportRows, with_clean_texts
from renderers.docx_skeleton import CELL_STYLE, ROWS_GO_HERE, skeleton
from renderers.docx_styles import is_right_to_left

PART: Final = "word/document.xml"
DEFLATE_LEVEL: Final = 4

# Minimal XML: with hundreds of thousands of rows, compression takes most of the time. The widths are in the table's grid.
_STYLE: Final = f'<w:pStyle w:val="{CELL_STYLE}"/>'
_OPEN: Final = f"<w:p><w:pPr>{_STYLE}</w:pPr><w:r><w:t>"
# Right-to-left text at the left edge of its cell: `right` is the end of such a paragraph.
_FROM_THE_RIGHT: Final = (
    f'<w:p><w:pPr>{_STYLE}<w:bidi/><w:jc w:val="right"/></w:pPr><w:r><w:rPr><w:rtl/></w:rPr><w:t>'
)
_CLOSE: Final = "</w:t></w:r></w:p>"
_NEXT_CELL: Final = f"{_CLOSE}</w:tc><w:tc>"


def render(report: ReportDocument, file: BinaryIO, *, progress: Callable[[int], None]) -> Rendered:
    """Write `report` to `file`. `progress` gets the number of rows written so far, after each page."""
    report = with_clean_texts(report)
    whole = io.BytesIO()
    skeleton(report).save(whole)
    rows = 0
    with (
        zipfile.ZipFile(whole) as made,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=DEFLATE_LEVEL) as target,
    ):
        for name in made.namelist():
            before, mark, after = made.read(name).partition(ROWS_GO_HERE)
            with target.open(name, "w", force_zip64=name == PART) as part:
                part.write(before)
                if mark and report.rows is not None:
                    for xml, count in _rows(report.rows, Clock(report.zone)):
                        part.write(xml.encode())
                        rows += count
                        progress(rows)
                part.write(after)
    return Rendered(rows)


def _rows(table: ReportRows[Any], clock: Clock) -> Iterator[tuple[str, int]]:
    """Yield the XML of each page of rows, and their number."""
    cells = _grouped(table, clock) if table.grouped_by else table.page_cells(clock)
    is_empty = True
    for page in table.pages:
        yield "".join([row_xml(cells(row)) for row in page]), len(page)
        is_empty = is_empty and not page
    if is_empty:
        span = f'<w:tcPr><w:gridSpan w:val="{len(table.page_columns)}"/></w:tcPr>'
        yield f"<w:tr><w:tc>{span}{_text(table.empty)}{_CLOSE}</w:tc></w:tr>", 0


def _grouped(table: ReportRows[Any], clock: Clock) -> Callable[[Any], tuple[str, ...]]:
    """Return a function that returns the cells of a row, with the text of its group if it is the first."""
    cells_of = table.page_cells(clock)
    group: tuple[str, ...] = ()

    def cells(row: Any) -> tuple[str, ...]:
        nonlocal group
        whole = cells_of(row)
        before, group = group, whole[: table.grouped_by]
        return table.in_group(whole) if group == before else whole

    return cells


def row_xml(cells: Sequence[str]) -> str:
    """Return the XML of a table row. A line feed in a cell begins another paragraph."""
    return f"<w:tr><w:trPr><w:cantSplit/></w:trPr><w:tc>{_NEXT_CELL.join(map(_text, cells))}{_CLOSE}</w:tc></w:tr>"


def _text(text: str) -> str:
    """Return the XML of the paragraphs of a cell, up to the end of the text. The first letter of each sets its direction."""
    if text.isascii() and text.isprintable():
        if "&" in text or "<" in text or ">" in text:
            return _OPEN + escape(text)
        return _OPEN + text
    if "\n" in text:
        return _CLOSE.join(map(_text, text.split("\n")))
    return (_FROM_THE_RIGHT if is_right_to_left(text) else _OPEN) + escape(text)
