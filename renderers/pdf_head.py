"""The head of a PDF's first page: the district, the title, and the rows below the title.

They stay together: a long title gets a smaller font, and its last lines move to the next page with rows that have no room.
"""

from collections.abc import Sequence
from itertools import accumulate, zip_longest
from typing import Final

from renderers.cells import Clock
from renderers.document import ReportDocument
from renderers.faces import Style
from renderers.sheet import ACCENT, BOTTOM, LEFT, MUTED, RIGHT, ROOM, TOP, Look, Sheet

TITLE_SIZES: Final = ((20.0, 3), (14.0, 10), (10.5, None))
"""Font sizes of the title, and the most lines of each size."""
BELOW_TITLE: Final = 8.0
SHARES: Final = (0.36, 0.22, 0.20, 0.22)
"""The share of the width for each column of the rows."""
BETWEEN: Final = 12.0
LABEL: Final = Look(7.5, color=MUTED)
VALUE: Final = Look(8.75)

Row = Sequence[tuple[str, Look] | None]
"""A line of each column; None after the end of a column."""


def draw_head(sheet: Sheet, report: ReportDocument, clock: Clock) -> None:
    """Draw the head at the top of the first page."""
    _letterhead(sheet, report, clock)
    sheet.bookmark(report.title)
    sheet.block(LEFT, report.title.upper(), Look(8, Style.BOLD, MUTED), ROOM)
    sheet.y += 2
    rows = _rows(sheet, report, clock)
    _title(sheet, report.subject, room_below=BELOW_TITLE + sum(map(_height, rows)))
    sheet.y += BELOW_TITLE
    while rows:
        sheet.need(_height(rows[0]))
        drawn = _draw_rows(sheet, rows)
        rows = rows[drawn:]


def _letterhead(sheet: Sheet, report: ReportDocument, clock: Clock) -> None:
    sheet.fill(0, 0, 612, 6, ACCENT)
    name = Look(9, Style.BOLD, ACCENT)
    place = sheet.fitting(f"{report.district}  ·  {report.place}", name, ROOM - 150)
    sheet.text(LEFT, 40, place, name)
    sheet.right_text(RIGHT, 40, f"As of {clock.text(report.as_of)}", Look(8.25, color=MUTED))
    sheet.rule(LEFT, RIGHT, 49)
    sheet.y = 60


def _title(sheet: Sheet, title: str, *, room_below: float) -> None:
    """Draw the title, over several pages if necessary; its last two lines are on a page with `room_below` left."""
    for size, most in TITLE_SIZES:
        look = Look(size, Style.BOLD, ACCENT)
        lines = sheet.lines(title, look, ROOM)
        if most is None or len(lines) <= most:
            break
    before, last = lines[:-2], lines[-2:]
    for line in before:
        sheet.line(LEFT, line, look)
    together = len(last) * look.leading + room_below
    if together <= BOTTOM - TOP:
        sheet.need(together)
    for line in last:
        sheet.line(LEFT, line, look)


def _rows(sheet: Sheet, report: ReportDocument, clock: Clock) -> list[Row]:
    columns = [
        [(text, LABEL) for text in sheet.lines(line.label, LABEL, ROOM * share - BETWEEN)]
        + [
            (text, VALUE)
            for text in sheet.lines(clock.value(line.value), VALUE, ROOM * share - BETWEEN)
        ]
        for line, share in zip(report.heading, SHARES, strict=False)
    ]
    return list(zip_longest(*columns))


def _height(row: Row) -> float:
    return max(cell[1].leading for cell in row if cell is not None)


def _draw_rows(sheet: Sheet, rows: Sequence[Row]) -> int:
    """Draw the rows that fit on this page and return their number. Column by column, the order in which it is read aloud."""
    ends = [end for end in accumulate(map(_height, rows), initial=sheet.y) if end <= BOTTOM][1:]
    x = LEFT
    for column, share in zip(zip(*rows, strict=True), SHARES, strict=False):
        for cell, end in zip(column, ends, strict=False):
            if cell is not None:
                sheet.text(x, end - cell[1].leading * 0.28, *cell)
        x += ROOM * share
    sheet.y = ends[-1]
    return len(ends)
