"""Break text into lines."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from renderers.clusters import clusters

SOFT_HYPHEN: Final = "\xad"
_NO_BREAK: Final = "\xa0\u2007\u202f\u2060\ufeff\u0f0c"
"""Characters that forbid a break on both sides (Unicode Standard Annex 14, classes GL and WJ)."""
_SPACE: Final = "\t-\r\x1c-\x20\x85\u1680\u2000-\u2006\u2008-\u200a\u2028\u2029\u205f\u3000"
_SPACES: Final = re.compile(f"[{_SPACE}]+")
_EDGE: Final = "".join(re.findall(f"[{_SPACE}\u200b]", "".join(map(chr, range(0x3001)))))
"""White space and U+200B, for `str.strip`."""
_GAP_OR_WORD: Final = re.compile(f"[{_SPACE}\u200b]+|[^{_SPACE}\u200b]+")

_IDEOGRAPHIC: Final = "\u2e80-\u2fff\u3040-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff21-\uff3a\uff41-\uff5a\U00020000-\U0003fffd"
_IDEOGRAPH: Final = re.compile(f"[{_IDEOGRAPHIC}]")
_BREAKS_BEHIND: Final = re.compile("[\xad\u0f0b\u1361]")
"""The soft hyphen, and the word separators of Tibetan and Ethiopic."""
_BREAKS_INSIDE: Final = re.compile(f"[{_IDEOGRAPHIC}]|{_BREAKS_BEHIND.pattern}")
_CLOSES: Final = re.compile(
    "[\u2019\u201d\u3001\u3002\u3005\u3009\u300b\u300d\u300f\u3011\u3015\u303b\u309d\u309e\u30fc-\u30fe\uff01\uff09\uff0c\uff0e"
    "\uff1a\uff1b\uff1f\uff3d\uff5d*\u2020]"
)
"""Characters that may not begin a line: closing punctuation, repetition and length marks, and marks after a name."""
_OPENS: Final = re.compile(
    "[(\\[{\u2018\u201c\u3008\u300a\u300c\u300e\u3010\u3014\uff08\uff3b\uff5b]"
)
"""Characters that may not end a line."""
_SIGNS_OF_ADDRESSES: Final = ".@_-/&?="
_PART: Final = re.compile(r"[^.@_\-/&?=]+[.@_\-/&?=]*|[.@_\-/&?=]+")
"""The fast path of `_parts` for ASCII, as in nearly all addresses: a tenth of the time."""

SURELY_LONGER: Final = 500
"""More characters than any line has: it is slow to measure a whole chapter as one line."""


def wrapped(text: str, room: float, width: Callable[[str], float]) -> list[str]:
    """Return the lines of `text`, each at most `room` wide; at least one, perhaps empty. A line feed ends a line.

    Each line is a part of the text; after a break at a soft hyphen it ends with it. A word that is wider than a line is broken
    between clusters (`renderers.clusters`), beside a no-break space only as a last resort.
    """
    return [
        line
        for source_line in text.split("\n")
        for line in _wrapped_line(_stripped(source_line), room, width)
    ]


def _stripped(text: str) -> str:
    return text.strip() if text.isascii() else text.strip(_EDGE).rstrip(SOFT_HYPHEN)


def on_one_line(text: str) -> str:
    """Return `text` with each run of white space as one space, and none at its ends. No-break spaces stay."""
    if text.isascii():  # the fast path for nearly all texts: half the time
        return " ".join(text.split())
    return _SPACES.sub(" ", text).strip(" ").rstrip(SOFT_HYPHEN)


def _wrapped_line(text: str, room: float, width: Callable[[str], float]) -> Iterator[str]:
    if len(text) < SURELY_LONGER and width(text) <= room:
        yield text
        return
    line, used = "", 0.0
    for piece in _pieces(text, room, width):
        wide = width(piece)
        if used + wide <= room:
            line += piece
            # Inside a line a soft hyphen is invisible and has no width.
            used += width(piece.rstrip(SOFT_HYPHEN)) if piece.endswith(SOFT_HYPHEN) else wide
            continue
        if kept := line.strip(_EDGE):
            yield kept
        line, used = (piece, wide) if piece.strip(_EDGE) else ("", 0.0)
    if kept := line.strip(_EDGE):
        yield kept


def _pieces(text: str, room: float, width: Callable[[str], float]) -> Iterator[str]:
    """Yield the pieces that fit on a line, in order: gaps, and words or parts of words."""
    for word in _GAP_OR_WORD.findall(text):
        if not word.strip(_EDGE):
            yield word
            continue
        for piece in _unbroken(word) if _BREAKS_INSIDE.search(word) else (word,):
            if width(piece) <= room:
                yield piece
            else:
                yield from _broken(piece, room, width)


def _unbroken(word: str) -> Iterator[str]:
    """Yield the parts of a word between its break opportunities."""
    piece = ""
    for cluster in clusters(word):
        if piece and _may_break(piece[-1], piece, cluster):
            yield piece
            piece = ""
        piece += cluster
    yield piece


def _may_break(last: str, before: str, cluster: str) -> bool:
    """Return whether a line may end between `before`, whose last character is `last`, and `cluster`."""
    if cluster[0] in _NO_BREAK or last in _NO_BREAK or _CLOSES.match(cluster):
        return False
    if _BREAKS_BEHIND.match(last):
        return True
    if _OPENS.match(last):
        return False
    return any(map(_IDEOGRAPH.match, (_letter_at_end(before), cluster)))


def _letter_at_end(text: str) -> str:
    """Return the first character of the last cluster."""
    *_, cluster = clusters(text[-8:])
    return cluster[0]


def _broken(word: str, room: float, width: Callable[[str], float]) -> Iterator[str]:
    """Yield the lines of a long word. An address is broken after its signs if possible: `somebody@` / `example.org`."""
    pieces = (
        piece
        for part in (_PART.findall(word) if word.isascii() else _parts(word))
        for piece in ([part] if width(part) <= room else _held(part, room, width))
    )
    line, used = "", 0.0
    for piece in pieces:
        wide = width(piece)
        if line and used + wide > room:
            yield line
            line, used = "", 0.0
        line, used = line + piece, used + wide
    yield line


def _parts(word: str) -> Iterator[str]:
    """Yield the parts of a word, each with the address signs after it."""
    part, ends = "", False
    for cluster in clusters(word):
        is_sign = cluster[0] in _SIGNS_OF_ADDRESSES
        if part and ends and not is_sign and cluster[0] not in _NO_BREAK:
            yield part
            part = ""
        part, ends = part + cluster, is_sign
    yield part


def _held(part: str, room: float, width: Callable[[str], float]) -> Iterator[str]:
    """Yield clusters. A no-break space stays with its neighbors, unless that is wider than a line."""
    group = ""
    for cluster in clusters(part):
        if group and cluster[0] not in _NO_BREAK and group[-1] not in _NO_BREAK:
            yield from [group] if width(group) <= room else clusters(group)
            group = ""
        group += cluster
    yield from [group] if width(group) <= room else clusters(group)
