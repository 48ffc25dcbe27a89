"""Clean texts for every file format: line breaks, spaces, and no character that changes its neighbors.

Each renderer handles the special texts of its format, such as formulas in a spreadsheet.
"""

import re
from typing import Final

from domain.texts import with_line_feeds
from renderers.stand_ins import WORD_PRIVATE, WORD_SIGNS

TAB_STOP: Final = 8
"""Columns between two tab stops, as in terminals and in HTML (`tab-size`)."""

# FS, GS, RS and US separate words: white space in Python and in Unicode.
_SEPARATOR: Final = re.compile("[\x1c-\x1f]")

# Control characters that are not white space, half surrogate pairs, and characters that XML 1.0 (2.2) excludes.
_CONTROL: Final = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")

# LRE, RLE, PDF, LRO, RLO; LRI, RLI, FSI, PDI. An unclosed one reorders all text after it.
_BIDI_CONTROL: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")

_WORD_PRIVATE: Final = re.compile(f"[{chr(WORD_PRIVATE[0])}-{chr(WORD_PRIVATE[-1])}]")

_BREAK_OR_TAB: Final = re.compile("[ \t\n]*[\t\n][ \t\n]*")


def without_controls(text: str) -> str:
    """Return `text` without control characters except white space, and without explicit bidi controls (UAX 9, 2.1 to 2.5).

    Word's private codes for bullets, which only its own fonts have, become standard signs (`renderers.stand_ins`). The first
    letter sets the direction of each paragraph and cell. The implicit marks LRM, RLM and ALM stay: they affect no later text.
    """
    if text.isprintable():
        return text
    plain = _BIDI_CONTROL.sub("", _CONTROL.sub("", _SEPARATOR.sub(" ", text)))
    return plain.translate(WORD_SIGNS) if _WORD_PRIVATE.search(plain) else plain


def clean_text(text: str) -> str:
    """Return `text` with line feeds as its only line breaks, tabs as spaces up to the next stop, and no other controls."""
    if text.isprintable():
        return text
    return with_line_feeds(without_controls(text)).expandtabs(TAB_STOP)


def clean_line(text: str) -> str:
    """Return `text` on one line, for names, labels and cells: a line break or tab is one space, with none at the ends."""
    if text.isprintable():
        return text
    return _BREAK_OR_TAB.sub(" ", with_line_feeds(without_controls(text))).strip(" ")
