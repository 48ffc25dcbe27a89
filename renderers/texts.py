"""Texts as every kind of file can hold them: line breaks, spaces, and no character that changes what stands beside it.

What text does in one kind of file, such as a formula in a spreadsheet, is that renderer's.
"""

import re
from typing import Final

from domain.texts import with_line_feeds
from renderers.stand_ins import WORD_PRIVATE, WORD_SIGNS

TAB_STOP: Final = 8
"""Columns from one tab stop to the next, as in terminals and in HTML (`tab-size`)."""

# FS, GS, RS and US separate words: white space in Python and in Unicode.
_SEPARATOR: Final = re.compile("[\x1c-\x1f]")

# Other control characters but those that are white space, halves of surrogate pairs, and what XML 1.0 (2.2) excludes.
_CONTROL: Final = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")

# LRE, RLE, PDF, LRO, RLO; LRI, RLI, FSI, PDI. One that is never closed reorders whatever is written behind it.
_BIDI_CONTROL: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")

_WORD_PRIVATE: Final = re.compile(f"[{chr(WORD_PRIVATE[0])}-{chr(WORD_PRIVATE[-1])}]")

_BREAK_OR_TAB: Final = re.compile("[ \t\n]*[\t\n][ \t\n]*")


def without_controls(text: str) -> str:
    """`text` without control characters that are no white space, and without explicit bidi controls (UAX 9, 2.1 to 2.5).

    Word's private codes for bullets, which only its own fonts show, become the signs that they mean (`renderers.stand_ins`).
    Each paragraph and cell of a report runs the way of its first letter. The implicit marks LRM, RLM and ALM stay: they end
    with themselves.
    """
    if text.isprintable():
        return text
    plain = _BIDI_CONTROL.sub("", _CONTROL.sub("", _SEPARATOR.sub(" ", text)))
    return plain.translate(WORD_SIGNS) if _WORD_PRIVATE.search(plain) else plain


def clean_text(text: str) -> str:
    """`text` with each kind of line break as one line feed and tabs as spaces up to the next stop; no other controls."""
    if text.isprintable():
        return text
    return with_line_feeds(without_controls(text)).expandtabs(TAB_STOP)


def clean_line(text: str) -> str:
    """`text` on one line, for names, labels and cells: a line break or tab is one space, and none is at the ends."""
    if text.isprintable():
        return text
    return _BREAK_OR_TAB.sub(" ", with_line_feeds(without_controls(text))).strip(" ")
