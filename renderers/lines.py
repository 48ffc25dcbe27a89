"""Where a line ends."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final

# A line may end behind white space, and before or behind an ideograph; not before what closes a sentence.
_PIECE: Final = re.compile(
    r"\s+"
    "|[\u2e80-\u2fff\u3040-\u9fff\uac00-\ud7af\uf900-\ufaff\uff21-\uff3a\uff41-\uff5a]"
    "[\u3001\u3002\u3009\u300b\u300d\u300f\u3011\uff01\uff09\uff0c\uff0e\uff1a\uff1b\uff1f*\u2020]*"
    "|[^\\s\u2e80-\u2fff\u3040-\u9fff\uac00-\ud7af\uf900-\ufaff\uff21-\uff3a\uff41-\uff5a]+"
)

_PART: Final = re.compile(r"[^.@_\-/&?=]+[.@_\-/&?=]*|[.@_\-/&?=]+")

SURELY_LONGER: Final = 500
"""Characters: no line of a page holds as many, and to measure a whole chapter as one line is slow."""


def wrapped(text: str, room: float, width: Callable[[str], float]) -> list[str]:
    """The lines of `text`, each at most `room` wide; at least one, perhaps empty. A line feed ends a line.

    A word without room in a line of its own is broken between characters, never before a mark that belongs to a letter.
    """
    return [
        line for written in text.split("\n") for line in _wrapped_line(written.strip(), room, width)
    ]


def _wrapped_line(text: str, room: float, width: Callable[[str], float]) -> Iterator[str]:
    if len(text) < SURELY_LONGER and width(text) <= room:
        yield text
        return
    line, used = "", 0.0
    for piece in _pieces(text, room, width):
        wide = width(piece)
        if used + wide <= room:
            line, used = line + piece, used + wide
            continue
        if line.strip():
            yield line.rstrip()
        line, used = ("", 0.0) if piece.isspace() else (piece, wide)
    if line.strip():
        yield line.rstrip()


def _pieces(text: str, room: float, width: Callable[[str], float]) -> Iterator[str]:
    for piece in _PIECE.findall(text):
        if piece.isspace() or width(piece) <= room:
            yield piece
        else:
            yield from _broken(piece, room, width)


def _broken(word: str, room: float, width: Callable[[str], float]) -> Iterator[str]:
    """A long address breaks behind its signs where it can: `somebody@` / `example.org`."""
    pieces = (
        piece
        for part in _PART.findall(word)
        for piece in ([part] if width(part) <= room else _letters(part))
    )
    line, used = "", 0.0
    for piece in pieces:
        wide = width(piece)
        if line and used + wide > room:
            yield line
            line, used = "", 0.0
        line, used = line + piece, used + wide
    yield line


def _letters(word: str) -> Iterator[str]:
    """Characters, each with the marks and joiners that follow it."""
    letter = ""
    for character in word:
        belongs = unicodedata.category(character)[0] == "M" or letter.endswith("\u200d")
        if letter and not belongs and character not in "\u200c\u200d":
            yield letter
            letter = ""
        letter += character
    yield letter
