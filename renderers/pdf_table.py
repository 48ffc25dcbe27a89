"""The table of a PDF: hundreds of thousands of rows, with the header on every page.

A row whose cells are Latin and fit their columns is written with one template. Any other row is wrapped and shaped, and may
continue on the next page.
"""

from collections.abc import Callable
from itertools import accumulate
from typing import Any, Final

from renderers.document import ReportRows
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

PADDING: Final = 4.0
SIZE: Final = 7.5
ROW: Final = 14.0
"""The height of a row of one line, and of the header."""
LEADING: Final = 10.0
"""The distance between lines of a row."""
RISE: Final = 4.3
"""The distance from the lower edge of a row to the baseline of its last line."""
REMEMBERED: Final = 4096
"""Most ends of rows in the cache: few differ, and the limit keeps memory flat."""

LOOK: Final = Look(SIZE)
BAND_TEMPLATE: Final = f"{LEFT:g} %.2f {RIGHT - LEFT:g} %g re"
HEAD_LOOK: Final = Look(SIZE, Style.BOLD, WHITE)


class RowTable:
    """The table, from the current position of a sheet on."""

    def __init__(self, sheet: Sheet, table: ReportRows[Any]) -> None:
        self._sheet = sheet
        self._latin = sheet.setter.faces.regular
        self._table = table
        columns = table.page_columns
        widths = [column.width for column in columns]
        self._starts = [*accumulate(widths[:-1], initial=LEFT + PADDING)]
        self._rooms = [width - 2 * PADDING for width in widths]
        self._units = [room * 1000 / SIZE for room in self._rooms]
        """The room of each column in thousandths of the font size."""
        steps = ["", *(f"{width:g} 0 Td" for width in widths[:-1])]
        self._own = sum(not column.repeats for column in columns)
        """The number of columns whose texts are not cached."""
        self._template = f"1 0 0 1 {LEFT + PADDING:g} %.2f Tm" + " ".join(
            f"{step}(%s)Tj" for step in steps[: self._own]
        )
        self._end_steps = steps[self._own :]
        self._ends: dict[tuple[str, ...], str] = {}
        """The operators of the last columns by their texts."""
        self._bands: list[str] = []
        self._texts: list[str] = []
        self._is_banded = False
        self._group: tuple[str, ...] = ()
        self._begin()

    def write(
        self, cells: Callable[[Any], tuple[str, ...]], progress: Callable[[int], None]
    ) -> int:
        """Write all rows and return their number."""
        rows = 0
        draw = self._grouped_row if self._table.grouped_by else self._row
        for page in self._table.pages:
            for row in page:
                draw(cells(row))
            rows += len(page)
            progress(rows)
        self._end()
        return rows

    def _grouped_row(self, cells: tuple[str, ...]) -> None:
        """Draw a row, with the text of its group if it is the first of the group or of a page."""
        before, self._group = self._group, cells[: self._table.grouped_by]
        if self._group == before:
            short = self._table.in_group(cells)
            deep = max(map(len, self._wrapped(short)))
            if self._sheet.y + ROW + (deep - 1) * LEADING <= BOTTOM:
                cells = short
        self._row(cells)

    def _row(self, cells: tuple[str, ...]) -> None:
        own, repeated = cells[: self._own], cells[self._own :]
        end = self._ends.get(repeated)
        width = self._latin.widths.__getitem__
        # `strict` would take an eighth of the time of a row.
        for text, room in zip(cells if end is None else own, self._units):  # noqa: B905
            if sum(map(width, text)) > room:  # too wide, or not Latin
                self._wrapped_row(cells)
                return
        if end is None:
            end = self._end_of(repeated)
        y = self._sheet.y
        if y + ROW > BOTTOM:
            self._turn()
            y = self._sheet.y
        self._band(y, ROW)
        codes = self._latin.codes
        base = HEIGHT - y - ROW + RISE
        texts = [text.translate(codes) for text in own]
        self._texts.append(self._template % (base, *texts) + end)
        self._sheet.y = y + ROW

    def _end_of(self, texts: tuple[str, ...]) -> str:
        """Return the operators of the last columns, and cache them."""
        if len(self._ends) > REMEMBERED:
            self._ends.clear()
        literals = map(self._latin.literal, texts)
        end = self._ends[texts] = "".join(
            f" {step}{literal}Tj" for step, literal in zip(self._end_steps, literals, strict=True)
        )
        return end

    def _wrapped(self, cells: tuple[str, ...]) -> list[list[str]]:
        """Return the lines of each cell."""
        return [
            self._sheet.lines("\n".join(map(on_one_line, text.split("\n"))), LOOK, room)
            for text, room in zip(cells, self._rooms, strict=True)
        ]

    def _wrapped_row(self, cells: tuple[str, ...]) -> None:
        sheet = self._sheet
        columns = self._wrapped(cells)
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
        for x, texts in zip(self._starts, columns, strict=True):
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
            self._bands.append(BAND_TEMPLATE % (HEIGHT - y - height, height))
        self._is_banded = not self._is_banded

    def _begin(self) -> None:
        """Draw the header at the current position."""
        sheet = self._sheet
        sheet.fill(LEFT, sheet.y, RIGHT - LEFT, ROW + 1, ACCENT)
        for x, column in zip(self._starts, self._table.page_columns, strict=True):
            sheet.text(x, sheet.y + ROW - RISE + 0.8, column.title, HEAD_LOOK)
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
