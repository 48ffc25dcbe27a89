"""The head of a PDF's first page: whose report it is, its title, and the rows below the title.

They stay together: a longer title is set smaller, and what has no room on one page takes the last lines of the title along to the next.
"""

from collections.abc import Sequence
from itertools import accumulate, zip_longest
from typing import Final

from renderers.cells import Clock
from renderers.document import TITLE, Report, heading, letterhead
from renderers.faces import Style
from renderers.sheet import ACCENT, BOTTOM, LEFT, MUTED, RIGHT, ROOM, TOP, Look, Sheet

TITLE_SIZES: Final = ((20.0, 3), (14.0, 10), (10.5, None))
"""Sizes of the title, and how many lines of each stand there at most."""
BELOW_TITLE: Final = 8.0
SHARES: Final = (0.36, 0.22, 0.20, 0.22)
"""Of the width, for each column of the rows."""
BETWEEN: Final = 12.0
LABEL: Final = Look(7.5, color=MUTED)
VALUE: Final = Look(8.75)

Row = Sequence[tuple[str, Look] | None]
"""A line of each column; null where that column has ended."""


def draw_head(sheet: Sheet, report: Report, clock: Clock) -> None:
    """Draw the head at the top of the first page."""
    _letterhead(sheet, report, clock)
    sheet.bookmark(TITLE)
    sheet.block(LEFT, TITLE.upper(), Look(8, Style.BOLD, MUTED), ROOM)
    sheet.y += 2
    rows = _rows(sheet, report, clock)
    _title(sheet, report.subject, room_below=BELOW_TITLE + sum(map(_height, rows)))
    sheet.y += BELOW_TITLE
    while rows:
        sheet.need(_height(rows[0]))
        drawn = _draw_rows(sheet, rows)
        rows = rows[drawn:]


def _letterhead(sheet: Sheet, report: Report, clock: Clock) -> None:
    sheet.fill(0, 0, 612, 6, ACCENT)
    district, school = letterhead(report)
    name = Look(9, Style.BOLD, ACCENT)
    place = sheet.fitting(f"{district}  ·  {school}", name, ROOM - 150)
    sheet.text(LEFT, 40, place, name)
    sheet.right_text(RIGHT, 40, f"As of {clock.text(report.as_of)}", Look(8.25, color=MUTED))
    sheet.rule(LEFT, RIGHT, 49)
    sheet.y = 60


def _title(sheet: Sheet, title: str, *, room_below: float) -> None:
    """The title, over several pages if need be; its last two lines on the page that has `room_below` left."""
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


def _rows(sheet: Sheet, report: Report, clock: Clock) -> list[Row]:
    columns = [
        [(text, LABEL) for text in sheet.lines(line.label, LABEL, ROOM * share - BETWEEN)]
        + [
            (text, VALUE)
            for text in sheet.lines(clock.value(line.value), VALUE, ROOM * share - BETWEEN)
        ]
        for line, share in zip(heading(report), SHARES, strict=True)
    ]
    return list(zip_longest(*columns))


def _height(row: Row) -> float:
    return max(cell[1].leading for cell in row if cell is not None)


def _draw_rows(sheet: Sheet, rows: Sequence[Row]) -> int:
    """Draw the rows that have room on this page; answers how many. Column by column, as the file is read aloud."""
    ends = [end for end in accumulate(map(_height, rows), initial=sheet.y) if end <= BOTTOM][1:]
    x = LEFT
    for column, share in enumerate(SHARES):
        for row, end in zip(rows, ends, strict=False):
            cell = row[column]
            if cell is not None:
                sheet.text(x, end - cell[1].leading * 0.28, *cell)
        x += ROOM * share
    sheet.y = ends[-1]
    return len(ends)
