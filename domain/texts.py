"""Normalizes line breaks and spaces of typed texts, so that words stay apart wherever a text is shown."""

import re
from typing import Final

# CR, VT, FF, NEL, LINE SEPARATOR, PARAGRAPH SEPARATOR. A line feed is one already.
_BREAKS: Final = "\r\x0b\x0c\x85\u2028\u2029"
_LINE_BREAK: Final = re.compile(f"\r\n|[{_BREAKS}]")

# Control characters except white space, and code points that no Unicode encoding can represent.
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0e-\x1b\x7f\ud800-\udfff\ufffe\uffff]")


def with_line_feeds(text: str) -> str:
    """Return `text` with each kind of line break as one line feed. Dropping a line break would join two words."""
    for (
        character
    ) in _BREAKS:  # a list of messages has thousands of texts, and hardly one with such a break
        if character in text:
            return _LINE_BREAK.sub("\n", text)
    return text


def one_line(text: str) -> str:
    """Return `text` on one line: each run of white space, line breaks and control characters is one space, none at the ends."""
    return " ".join(_UNWRITABLE.sub(" ", text).split())
