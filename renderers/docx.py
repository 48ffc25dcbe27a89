"""Render a report as a Word document.

python-docx makes everything except the rows of the Delivery Detail (`docx_skeleton`). The rows are written as XML directly
into the file, since python-docx would keep each cell as an object.
"""

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Final
from xml.sax.saxutils import escape

from renderers.cells import page_cells
from renderers.document import COLUMNS, Rendered, ReportDocument, with_clean_texts
from renderers.docx_skeleton import CELL_STYLE, ROWS_GO_HERE, skeleton
from renderers.docx_styles import is_right_to_left

PART: Final = "word/document.xml"
NO_ROWS: Final = "No delivery fits this report."
DEFLATE_LEVEL: Final = 4

# Minimal XML: with hundreds of thousands of rows, compression takes most of the time. The widths are in the table's grid.
_STYLE: Final = f'<w:pStyle w:val="{CELL_STYLE}"/>'
_OPEN: Final = f"<w:p><w:pPr>{_STYLE}</w:pPr><w:r><w:t>"
# Right-to-left text at the left edge of its cell: `right` is the end of such a paragraph.
_FROM_THE_RIGHT: Final = (
    f'<w:p><w:pPr>{_STYLE}<w:bidi/><w:jc w:val="right"/></w:pPr><w:r><w:rPr><w:rtl/></w:rPr><w:t>'
)
_CLOSE: Final = "</w:t></w:r></w:p></w:tc>"


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
                if mark:
                    for xml, count in _rows(report):
                        part.write(xml.encode())
                        rows += count
                        progress(rows)
                part.write(after)
    return Rendered(rows)


def _rows(report: ReportDocument) -> Iterator[tuple[str, int]]:
    """Yield the XML of each page of rows, and their number."""
    cells = page_cells(report)
    is_empty = True
    for page in report.rows:
        yield "".join([row_xml(cells(row)) for row in page]), len(page)
        is_empty = is_empty and not page
    if is_empty:
        yield _empty_row(), 0


def row_xml(cells: Sequence[str]) -> str:
    """Return the XML of a table row. The cells are texts on one line (`renderers.cells`)."""
    recipient, student, device, status, time = map(_paragraph, cells)
    return (
        f"<w:tr><w:trPr><w:cantSplit/></w:trPr><w:tc>{recipient}{_CLOSE}<w:tc>{student}{_CLOSE}"
        f"<w:tc>{device}{_CLOSE}<w:tc>{status}{_CLOSE}<w:tc>{time}{_CLOSE}</w:tr>"
    )


def _paragraph(text: str) -> str:
    """Return the XML of a paragraph up to the end of its text. Its first letter sets the direction."""
    if text.isascii() and text.isprintable():
        if "&" in text or "<" in text or ">" in text:
            return _OPEN + escape(text)
        return _OPEN + text
    return (_FROM_THE_RIGHT if is_right_to_left(text) else _OPEN) + escape(text)


def _empty_row() -> str:
    span = f'<w:tcPr><w:gridSpan w:val="{len(COLUMNS)}"/></w:tcPr>'
    return f"<w:tr><w:tc>{span}{_paragraph(NO_ROWS)}{_CLOSE}</w:tr>"
