"""Which font file prints which character: the table that `fonts/make.py` wrote from the files.

The table is read when the first character beyond Latin, Greek and Cyrillic asks for it; no font is opened for that.
"""

import bisect
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).with_name("fonts")
REGULAR: Final = "NotoSans-Regular.ttf"
BOLD: Final = "NotoSans-SemiBold.ttf"
"""These two are opened for every report, and are not in the table."""
EMOJI: Final = "NotoEmoji-Regular.ttf"


class Coverage(NamedTuple):
    """Ranges of code points, in ascending order, none of them twice."""

    firsts: list[int]
    lasts: list[int]
    files: list[str]

    def file_of(self, code: int) -> str | None:
        """The name of the file that prints `code`; null where none does."""
        at = bisect.bisect_right(self.firsts, code) - 1
        return self.files[at] if at >= 0 and code <= self.lasts[at] else None


@cache
def coverage() -> Coverage:
    """The table of `fonts/coverage.txt`."""
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
    """The font file that prints `code`, other than Noto Sans itself; null where none does."""
    return coverage().file_of(code)
