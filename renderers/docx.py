"""A report as a Word document.

python-docx makes everything but the rows of the Delivery Detail (`docx_skeleton`); those are written as XML into the document's
part while the file is made, since python-docx would hold each cell as an object.
"""

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Final
from xml.sax.saxutils import escape

from renderers.cells import page_cells
from renderers.document import COLUMNS, Rendered, Report, with_clean_texts
from renderers.docx_skeleton import CELL_STYLE, ROWS_GO_HERE, skeleton

PART: Final = "word/document.xml"
NO_ROWS: Final = "No delivery fits this report."
RIGHT_TO_LEFT: Final = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe]")
LEFT_TO_RIGHT: Final = "<w:r><w:t>"
FROM_THE_RIGHT: Final = "<w:r><w:rPr><w:rtl/></w:rPr><w:t>"
DEFLATE_LEVEL: Final = 4

# As little as says it: with hundreds of thousands of rows most of the time goes into deflating. The widths are in the grid.
_OPEN: Final = f'<w:tc><w:p><w:pPr><w:pStyle w:val="{CELL_STYLE}"/></w:pPr>'
_CLOSE: Final = "</w:t></w:r></w:p></w:tc>"


def render(report: Report, file: BinaryIO, *, progress: Callable[[int], None]) -> Rendered:
    """Write `report` to `file`. `progress` is told how many rows of the Delivery Detail are written, after each page of them."""
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
                    for xml, written in _rows(report):
                        part.write(xml.encode())
                        rows += written
                        progress(rows)
                part.write(after)
    return Rendered(rows)


def _rows(report: Report) -> Iterator[tuple[str, int]]:
    """The XML of each page of rows, and how many they are."""
    cells = page_cells(report)
    is_empty = True
    for page in report.rows:
        yield "".join([row_xml(cells(row)) for row in page]), len(page)
        is_empty = is_empty and not page
    if is_empty:
        yield _empty_row(), 0


def row_xml(cells: Sequence[str]) -> str:
    """A row of the table. The cells are the columns' texts, each on one line (`renderers.cells`)."""
    recipient, student, device, status, time = map(_run, cells)
    return (
        f"<w:tr><w:trPr><w:cantSplit/></w:trPr>{_OPEN}{recipient}{_CLOSE}{_OPEN}{student}{_CLOSE}"
        f"{_OPEN}{device}{_CLOSE}{_OPEN}{status}{_CLOSE}{_OPEN}{time}{_CLOSE}</w:tr>"
    )


def _run(text: str) -> str:
    """The beginning of a run, up to the end of its text."""
    if text.isascii() and text.isprintable():
        if "&" in text or "<" in text or ">" in text:
            return LEFT_TO_RIGHT + escape(text)
        return LEFT_TO_RIGHT + text
    start = FROM_THE_RIGHT if RIGHT_TO_LEFT.search(text) else LEFT_TO_RIGHT
    return start + escape(text)


def _empty_row() -> str:
    span = f'<w:tcPr><w:gridSpan w:val="{len(COLUMNS)}"/></w:tcPr>'
    return f"<w:tr>{_OPEN.replace('<w:tc>', '<w:tc>' + span)}{_run(NO_ROWS)}{_CLOSE}</w:tr>"
