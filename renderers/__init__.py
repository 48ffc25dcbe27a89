"""Render reports: a report value in, a file out. No access to the database, the clock or settings.

`document` has a report of any kind, and `contents` composes each kind. `pdf`, `docx`, `xlsx` and `csv` each write one file format, row by row, in
constant memory. They are synchronous and slow to import, so run them in a separate process.
"""

from collections.abc import Callable
from importlib import import_module
from typing import BinaryIO, Protocol

from domain.report import ReportFormat
from renderers.document import Rendered, ReportDocument


class Renderer(Protocol):
    """Writes a report into an open file, from its current position on, and leaves it open.

    `progress` gets the number of rows of the table written so far; an exception in it ends the work.
    """

    def __call__(
        self, report: ReportDocument, file: BinaryIO, *, progress: Callable[[int], None]
    ) -> Rendered: ...


def renderer(format: ReportFormat) -> Renderer:
    """Return the renderer of `format`: `render` in the module with its name.

    Its libraries are imported now: fpdf2 alone takes most of a second.
    """
    render: Renderer = import_module(f"renderers.{format.lower()}").render
    return render
