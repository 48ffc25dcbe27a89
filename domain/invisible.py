"""Invisible characters: format characters (Unicode category Cf)."""

import unicodedata
from typing import Final

JOINERS: Final = frozenset("\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}")
"""Inside a word these are part of the spelling: a Persian domain without one is another domain."""


def without_invisible(text: str) -> str:
    """Return `text` without format characters, and without white space at its ends. Joiners are removed only at the ends."""
    if text.isascii():
        return text.strip()
    visible = "".join(
        character
        for character in text
        if character in JOINERS or unicodedata.category(character) != "Cf"
    )
    while (trimmed := visible.strip().strip("".join(JOINERS))) != visible:
        visible = trimmed
    return visible
