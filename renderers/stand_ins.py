"""Stand-ins for characters that no font prints: a page shows every character of a text, or a stand-in.

A stand-in is the first of these that can be printed:

- the sign of a code that Word uses for private bullets
- the compatibility form (ﬅ as st; Unicode Standard Annex 15, NFKC)
- the letter with separate marks
- the number of the code point, `[U+10330]`

U+FFFD is never shown. Characters without a glyph (controls, direction marks, variation selectors) are left out.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
UNKNOWN: Final = "?"
"""The stand-in for a U+FFFD in the text, whose original is lost."""
NUMBER_NOTE: Final = "[U+…]: a character that no font of this report has, by its number in Unicode."
"""The note on a page with such a number."""
BULLET: Final = "•"
WORD_PRIVATE: Final = range(0xF020, 0xF100)
"""The codes of Word and Windows for signs of the fonts Symbol and Wingdings."""

# If the two fonts differ: the sign that lists and forms use. The codes are those of the fonts, as published by their vendors.
_WORD_SIGNS: Final = {
    0xB7: "•",  # Symbol; also for all codes that are not in this table
    0x28: "☎",
    0x29: "✆",
    0x2A: "✉",
    0x2D: "\u2212",
    0x36: "⌛",
    0x3C: "<",
    0x3D: "=",
    0x3E: ">",
    0x4A: "☺",
    0x4B: "😐",
    0x4C: "☹",
    0x6C: "●",
    0x6E: "■",
    0x6F: "□",
    0x70: "❐",
    0x71: "❑",
    0x72: "❒",
    0x73: "⬧",
    0x74: "⧫",
    0x75: "◆",
    0x76: "❖",
    0x77: "⬥",
    0x9E: "·",
    0x9F: "•",
    0xA1: "○",
    0xA3: "≤",
    0xA5: "∞",
    0xA7: "▪",
    0xA8: "◻",
    0xAB: "★",
    0xAC: "←",
    0xAD: "↑",
    0xAE: "→",
    0xAF: "↓",
    0xB0: "°",
    0xB1: "±",
    0xB3: "≥",
    0xB4: "×",
    0xB8: "÷",
    0xB9: "≠",
    0xBB: "≈",
    0xD6: "√",
    0xD7: "⋅",
    0xD8: "➢",
    0xDF: "←",
    0xE0: "→",
    0xE1: "↑",
    0xE2: "↓",
    0xE8: "➔",
    0xEF: "⇦",
    0xF0: "⇨",
    0xFB: "✗",
    0xFC: "✓",
    0xFD: "☒",
    0xFE: "☑",
}
WORD_SIGNS: Final = {code: _WORD_SIGNS.get(code - 0xF000, BULLET) for code in WORD_PRIVATE}
"""Code → the sign that Word shows for it, for `str.translate`."""

_SHAPING: Final = "\u034f\u17b4\u17b5\u180b-\u180f\u200c\u200d\ufe0f"
"""Joiners and selectors that choose a form of a glyph: kept if the font of the letter before has them."""
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff"
    "\ufdd0-\ufdef\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17))
    + "]"
    # A skin tone after an emoji chooses its form; anywhere else it is a sign.
    "|(?<=[\u261d\u26f9\u270a-\u270d\ufe0f\U0001f385-\U0001f3fa\U0001f400-\U0001faff])[\U0001f3fb-\U0001f3ff]"
)
_HIDDEN: Final = re.compile(f"{_UNSEEN.pattern}|[{_SHAPING}{REPLACEMENT}]")
_JOINERS: Final = re.compile(f"[{_SHAPING}]")


class PrintableText(NamedTuple):
    """A text whose characters can all be printed, or choose a form of one that can."""

    text: str
    has_numbers: bool
    """Whether it has a stand-in `[U+…]`, which the page then explains."""


def is_hidden(character: str) -> bool:
    """Return whether `character` never has a glyph of its own on a page."""
    return _HIDDEN.match(character) is not None


def is_joiner(character: str) -> bool:
    """Return whether `character` only changes the form of its neighbors."""
    return _JOINERS.match(character) is not None


def printable(text: str, prints: Callable[[int], bool]) -> PrintableText:
    """Return `text` with stand-ins, in the form NFC. `prints`: whether a font has a code point."""
    visible = unicodedata.normalize("NFC", _UNSEEN.sub("", text.replace("\t", " ")))
    pieces: list[str] = []
    has_numbers = False
    for character in visible:
        code = ord(character)
        if (prints(code) and character != REPLACEMENT) or is_joiner(character):
            pieces.append(character)
            continue
        piece = stand_in(character, prints)
        has_numbers = has_numbers or piece == number_of(code)
        pieces.append(piece)
    return PrintableText("".join(pieces), has_numbers)


def stand_in(character: str, prints: Callable[[int], bool]) -> str:
    """Return the stand-in for `character`, which no font prints."""
    code = ord(character)
    if character == REPLACEMENT:
        return UNKNOWN
    sign = WORD_SIGNS.get(code)
    if sign is not None and prints(ord(sign)):
        return sign
    for form in ("NFKC", "NFKD"):
        plain = unicodedata.normalize(form, character)
        if plain != character and all(prints(ord(each)) for each in plain):
            return plain
    return " " if character.isspace() else number_of(code)


def number_of(code: int) -> str:
    """Return the number of a code point, such as `[U+10330]`."""
    return f"[U+{code:04X}]"
