"""Estimate the width of a text in a file that does not embed its fonts: Word and Excel measure it only when they open it.

The unit is the width of a digit in the same font, half of the font size or a little more.
"""

import unicodedata
from typing import Final

ELLIPSIS: Final = "…"
FIGURE: Final = 0.507
"""The width of a digit in Calibri, relative to the font size."""

_BROAD: Final = frozenset("MWmw@%&—…")
_JOINERS: Final = frozenset("\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}")
_VIRAMA: Final = 9
"""The combining class of signs that join the next letter to the one before."""


def about_width(text: str) -> float:
    """Return the width of `text` on one line in digits; an estimate that is rather too large."""
    return sum(map(_width, text))


def fitting(text: str, room: float) -> str:
    """Return `text`, cut with an ellipsis to the width of about `room` digits if it is longer, never inside a letter."""
    if about_width(text) <= room:
        return text
    used, end = _width(ELLIPSIS), 0
    for character in text:
        used += _width(character)
        if used > room:
            break
        end += 1
    while end and _belong_together(text[end - 1], text[end]):
        end -= 1
    return text[:end].rstrip() + ELLIPSIS


def _width(character: str) -> float:
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(character) in ("W", "F"):
        return 2.0
    if character in _BROAD:
        return 1.75
    return {"Lu": 1.25, "Lo": 1.5, "So": 2.0}.get(category, 1.0)


def _belong_together(left: str, right: str) -> bool:
    """Return whether a cut between the two would be inside a letter."""
    is_mark = unicodedata.category(right)[0] == "M" or right in _JOINERS
    return is_mark or left in _JOINERS or unicodedata.combining(left) == _VIRAMA
