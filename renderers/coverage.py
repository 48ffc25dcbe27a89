"""Which font file prints which character: the table that `fonts/make.py` generates.

The table is read at the first character beyond Latin, Greek and Cyrillic. No font is opened for it.
"""

import bisect
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).with_name("fonts")
REGULAR: Final = "NotoSans-Regular.ttf"
BOLD: Final = "NotoSans-SemiBold.ttf"
"""Every report opens this font and `REGULAR`; they are not in the table."""
EMOJI: Final = "NotoEmoji-Regular.ttf"


class Coverage(NamedTuple):
    """Disjoint ranges of code points in ascending order, and the file of each."""

    firsts: list[int]
    lasts: list[int]
    files: list[str]

    def file_of(self, code: int) -> str | None:
        """Return the name of the file that prints `code`; None if there is none."""
        at = bisect.bisect_right(self.firsts, code) - 1
        return self.files[at] if at >= 0 and code <= self.lasts[at] else None


@cache
def coverage() -> Coverage:
    """Read the table of `fonts/coverage.txt`."""
    ranges: list[tuple[int, int, str]] = []
    for line in (FOLDER / "coverage.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("#"):
            continue
        file, *spans = line.split()
        for span in spans:
            first, _, last = span.partition("-")
            ranges.append((int(first, 16), int(last or first, 16), file))
    ranges.sort()
    return Coverage(
        [first for first, _, _ in ranges],
        [last for _, last, _ in ranges],
        [file for _, _, file in ranges],
    )


def file_of(code: int) -> str | None:
    """Return the font file, other than Noto Sans itself, that prints `code`; None if there is none."""
    return coverage().file_of(code)
