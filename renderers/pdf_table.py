"""The Delivery Detail of a PDF: hundreds of thousands of rows, with the header on every page.

A row whose cells are Latin and fit their columns is written with one template. Any other row is wrapped and shaped, and may
continue on the next page.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from renderers.document import COLUMNS, DetailRow
from renderers.faces import Style
from renderers.lines import on_one_line
from renderers.sheet import (
    ACCENT,
    BAND,
    BOTTOM,
    HEIGHT,
    INK,
    LEFT,
    RIGHT,
    RULE,
    WHITE,
    Look,
    Sheet,
)

WIDTHS: Final = (102.0, 90.0, 160.0, 93.0, 83.0)
PADDING: Final = 4.0
SIZE: Final = 7.5
ROW: Final = 14.0
"""The height of a row of one line, and of the header."""
LEADING: Final = 10.0
"""The distance between lines of a row."""
RISE: Final = 4.3
"""The distance from the lower edge of a row to the baseline of its last line."""
REMEMBERED: Final = 4096
"""Most texts of status and time in the cache: few differ, and the limit keeps memory flat."""

LOOK: Final = Look(SIZE)
HEAD_LOOK: Final = Look(SIZE, Style.BOLD, WHITE)
STARTS: Final = tuple(LEFT + PADDING + sum(WIDTHS[:column]) for column in range(len(WIDTHS)))
ROOMS: Final = tuple(width - 2 * PADDING for width in WIDTHS)
UNITS: Final = tuple(room * 1000 / SIZE for room in ROOMS)
"""The room of each column in thousandths of the font size."""
STEPS: Final = tuple(f"{width:g} 0 Td" for width in WIDTHS)


class DetailTable:
    """The table, from the current position of a sheet on."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._latin = sheet.setter.faces.regular
        self._literals: dict[str, str] = {}
        self._bands: list[str] = []
        self._texts: list[str] = []
        self._is_banded = False
        self._begin()

    def write(
        self,
        pages: Iterable[Sequence[DetailRow]],
        cells: Callable[[DetailRow], tuple[str, str, str, str, str]],
        progress: Callable[[int], None],
    ) -> int:
        """Write all rows and return their number."""
        rows = 0
        for page in pages:
            for row in page:
                self._row(cells(row))
            rows += len(page)
            progress(rows)
        self._end()
        return rows

    def _row(self, cells: tuple[str, str, str, str, str]) -> None:
        recipient, student, device, status, time = cells
        width = self._latin.widths.__getitem__
        literals = self._literals
        if (
            status not in literals
            or time not in literals
            or sum(map(width, recipient)) > UNITS[0]
            or sum(map(width, student)) > UNITS[1]
            or sum(map(width, device)) > UNITS[2]
        ) and not self._is_plain(cells):
            self._wrapped_row(cells)
            return
        y = self._sheet.y
        if y + ROW > BOTTOM:
            self._turn()
            y = self._sheet.y
        self._band(y, ROW)
        codes = self._latin.codes
        base = HEIGHT - y - ROW + RISE
        self._texts.append(
            f"1 0 0 1 {STARTS[0]:g} {base:.2f} Tm({recipient.translate(codes)})Tj "
            f"{STEPS[0]}({student.translate(codes)})Tj {STEPS[1]}({device.translate(codes)})Tj "
            f"{STEPS[2]}{literals[status]}Tj {STEPS[3]}{literals[time]}Tj"
        )
        self._sheet.y = y + ROW

    def _is_plain(self, cells: tuple[str, ...]) -> bool:
        """Return whether every cell is Latin and fits on one line. If so, cache the encoded status and time."""
        latin = self._latin
        if any(latin.width(text) > room for text, room in zip(cells, UNITS, strict=True)):
            return False
        if len(self._literals) > REMEMBERED:
            self._literals.clear()
        for text in cells[3:]:
            self._literals[text] = latin.literal(text)
        return True

    def _wrapped_row(self, cells: tuple[str, ...]) -> None:
        sheet = self._sheet
        columns = [
            sheet.lines(on_one_line(text), LOOK, room)
            for text, room in zip(cells, ROOMS, strict=True)
        ]
        left = max(map(len, columns))
        done = 0
        while left:
            if sheet.y + ROW > BOTTOM:
                self._turn()
            fitting = 1 + int((BOTTOM - sheet.y - ROW) // LEADING)
            taken = min(left, fitting)
            # Do not split a row of a few lines at the end of a page.
            if taken < left <= 6 and not done:
                self._turn()
                continue
            self._piece([lines[done : done + taken] for lines in columns], taken)
            done += taken
            left -= taken

    def _piece(self, columns: list[list[str]], lines: int) -> None:
        sheet = self._sheet
        height = ROW + (lines - 1) * LEADING
        self._band(sheet.y, height)
        top = HEIGHT - sheet.y - ROW + RISE
        for x, texts in zip(STARTS, columns, strict=True):
            for number, text in enumerate(texts):
                if not text:
                    continue
                runs = sheet.setter.runs(text, LOOK.style, SIZE)
                self._texts.append(
                    f"1 0 0 1 {x:g} {top - number * LEADING:.2f} Tm {sheet.shown(runs, SIZE)}"
                )
        self._texts.append(f"/F{self._latin.number} {SIZE} Tf")
        sheet.y += height

    def _band(self, y: float, height: float) -> None:
        if self._is_banded:
            self._bands.append(f"{LEFT:g} {HEIGHT - y - height:.2f} {RIGHT - LEFT:g} {height:g} re")
        self._is_banded = not self._is_banded

    def _begin(self) -> None:
        """Draw the header at the current position."""
        sheet = self._sheet
        sheet.fill(LEFT, sheet.y, RIGHT - LEFT, ROW + 1, ACCENT)
        for x, title in zip(STARTS, COLUMNS, strict=True):
            sheet.text(x, sheet.y + ROW - RISE + 0.8, title, HEAD_LOOK)
        sheet.y += ROW + 1
        self._is_banded = False

    def _end(self) -> None:
        """Write the collected operators into the page, the background first."""
        sheet = self._sheet
        if self._bands:
            sheet.draw(f"{BAND.fill} {' '.join(self._bands)} f")
        if self._texts:
            sheet.draw(f"{INK.fill} BT /F{self._latin.number} {SIZE} Tf {' '.join(self._texts)} ET")
        sheet.rule(LEFT, RIGHT, sheet.y, RULE)
        self._bands.clear()
        self._texts.clear()

    def _turn(self) -> None:
        self._end()
        self._sheet.next_page()
        self._begin()
