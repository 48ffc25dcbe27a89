"""Reports as files: a report value in, a file out. Knows no database, no clock and no settings.

`document` is what a report says; `pdf`, `docx`, `xlsx` and `delimited` each write one kind of file from it, row by row, in
memory that does not grow with the rows. They are synchronous and slow to import, and belong in a process of their own.
"""

from collections.abc import Callable
from typing import BinaryIO, Protocol

from domain.report import ReportFormat
from renderers.document import Rendered, Report


class Renderer(Protocol):
    """Writes a report into a file that is open for writing, from its present place on, and leaves it open.

    `progress` is told how many rows of the Delivery Detail are written, each time some are. Whatever it raises ends the work.
    """

    def __call__(
        self, report: Report, file: BinaryIO, *, progress: Callable[[int], None]
    ) -> Rendered: ...


def renderer(format: ReportFormat) -> Renderer:
    """What writes `format`. Its libraries are loaded now: fpdf2 alone takes most of a second."""
    match format:
        case ReportFormat.PDF:
            from renderers import pdf

            return pdf.render
        case ReportFormat.DOCX:
            from renderers import docx

            return docx.render
        case ReportFormat.XLSX:
            from renderers import xlsx

            return xlsx.render
        case ReportFormat.CSV:
            from renderers import delimited

            return delimited.render
