"""What a page shows for a character that no font prints: every sign of a text is seen, or a plain stand-in for it.

In this order: the sign that Word meant by a code of its private bullets, the compatibility form (ﬅ as st; Unicode Standard Annex 15,
NFKC), the letter with its marks apart, and at last the number of the code point, `[U+10330]`. U+FFFD is never shown. What has no
shape of its own (controls, marks of direction, variation selectors) is left out.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
UNKNOWN: Final = "?"
"""Stands for a U+FFFD that the text itself holds: what it was is lost."""
NUMBER_NOTE: Final = "[U+…]: a character that no font of this report has, by its number in Unicode."
"""The legend of a page on which such a number stands."""
BULLET: Final = "•"
WORD_PRIVATE: Final = range(0xF020, 0xF100)
"""The codes by which Word and Windows write signs of the fonts Symbol and Wingdings."""

# Where the two fonts differ: the sign that lists and forms use. The numbers are the fonts' own, as their vendors publish them.
_WORD_SIGNS: Final = {
    0xB7: "•",  # Symbol; all others that are not here become it too
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
"""Code → the sign that Word shows for it; for `str.translate`."""

_SHAPING: Final = "\u034f\u17b4\u17b5\u180b-\u180f\u200c\u200d\ufe0f"
"""Joiners and selectors by which a font chooses a form: kept where the font of the letter before knows them."""
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff"
    "\ufdd0-\ufdef\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17))
    + "]"
    # The colour of a skin chooses a form of the emoji before it, and is a sign of its own anywhere else.
    "|(?<=[\u261d\u26f9\u270a-\u270d\ufe0f\U0001f385-\U0001f3fa\U0001f400-\U0001faff])[\U0001f3fb-\U0001f3ff]"
)
_HIDDEN: Final = re.compile(f"{_UNSEEN.pattern}|[{_SHAPING}{REPLACEMENT}]")
_JOINERS: Final = re.compile(f"[{_SHAPING}]")


class Shown(NamedTuple):
    """A text of which every character can be printed, or chooses a form of one that can."""

    text: str
    has_numbers: bool
    """Whether `[U+…]` stands in it for a character, which a reader has to be told."""


def is_hidden(character: str) -> bool:
    """Whether a page never shows `character` as a glyph of its own."""
    return _HIDDEN.match(character) is not None


def is_joiner(character: str) -> bool:
    """Whether `character` only chooses how its neighbours look."""
    return _JOINERS.match(character) is not None


def shown(text: str, prints: Callable[[int], bool]) -> Shown:
    """`text` in the characters that a page shows, in Unicode's form NFC. `prints`: whether a font has a code point."""
    seen = unicodedata.normalize("NFC", _UNSEEN.sub("", text.replace("\t", " ")))
    pieces: list[str] = []
    has_numbers = False
    for character in seen:
        code = ord(character)
        if (prints(code) and character != REPLACEMENT) or is_joiner(character):
            pieces.append(character)
            continue
        piece = stand_in(character, prints)
        has_numbers = has_numbers or piece == number_of(code)
        pieces.append(piece)
    return Shown("".join(pieces), has_numbers)


def stand_in(character: str, prints: Callable[[int], bool]) -> str:
    """What is shown for `character`, which no font prints."""
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
    """A code point as Unicode writes its number: `[U+10330]`."""
    return f"[U+{code:04X}]"
