"""Where a line ends."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from renderers.clusters import clusters

SOFT_HYPHEN: Final = "\xad"
_NO_BREAK: Final = "\xa0\u2007\u202f\u2060\ufeff\u0f0c"
"""What holds its neighbours together (Unicode Standard Annex 14, classes GL and WJ)."""
_SPACE: Final = "\t-\r\x1c-\x20\x85\u1680\u2000-\u2006\u2008-\u200a\u2028\u2029\u205f\u3000"
_SPACES: Final = re.compile(f"[{_SPACE}]+")
_EDGE: Final = "".join(re.findall(f"[{_SPACE}\u200b]", "".join(map(chr, range(0x3001)))))
"""White space and U+200B one by one, for `str.strip`."""
_GAP_OR_WORD: Final = re.compile(f"[{_SPACE}\u200b]+|[^{_SPACE}\u200b]+")

_IDEOGRAPHIC: Final = "\u2e80-\u2fff\u3040-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff21-\uff3a\uff41-\uff5a\U00020000-\U0003fffd"
_IDEOGRAPH: Final = re.compile(f"[{_IDEOGRAPHIC}]")
_BREAKS_BEHIND: Final = re.compile("[\xad\u0f0b\u1361]")
"""The soft hyphen, and the signs between words of Tibetan and Ethiopic."""
_BREAKS_INSIDE: Final = re.compile(f"[{_IDEOGRAPHIC}]|{_BREAKS_BEHIND.pattern}")
_CLOSES: Final = re.compile(
    "[\u2019\u201d\u3001\u3002\u3005\u3009\u300b\u300d\u300f\u3011\u3015\u303b\u309d\u309e\u30fc-\u30fe\uff01\uff09\uff0c\uff0e"
    "\uff1a\uff1b\uff1f\uff3d\uff5d*\u2020]"
)
"""No line begins with it: what closes a sentence or a quotation, repeats or lengthens a letter, or marks a name."""
_OPENS: Final = re.compile(
    "[(\\[{\u2018\u201c\u3008\u300a\u300c\u300e\u3010\u3014\uff08\uff3b\uff5b]"
)
"""No line ends with it."""
_SIGNS_OF_ADDRESSES: Final = ".@_-/&?="
_PART: Final = re.compile(r"[^.@_\-/&?=]+[.@_\-/&?=]*|[.@_\-/&?=]+")
"""The same as `_parts` for words in ASCII, as nearly all addresses are; it takes a tenth of the time."""

SURELY_LONGER: Final = 500
"""Characters: no line of a page holds as many, and to measure a whole chapter as one line is slow."""


def wrapped(text: str, room: float, width: Callable[[str], float]) -> list[str]:
    """The lines of `text`, each at most `room` wide; at least one, perhaps empty. A line feed ends a line.

    Each line is a part of the text. One that was broken at a soft hyphen ends with it. A word without room in a line of its own
    is broken between clusters (`renderers.clusters`), beside a no-break space only where nothing else is left.
    """
    return [
        line
        for written in text.split("\n")
        for line in _wrapped_line(_without_edges(written), room, width)
    ]


def _without_edges(written: str) -> str:
    return written.strip() if written.isascii() else written.strip(_EDGE).rstrip(SOFT_HYPHEN)


def on_one_line(text: str) -> str:
    """`text` with each stretch of white space as one space, and none at its ends. No-break spaces stay."""
    if text.isascii():  # as nearly all are, and in half the time
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
            # Behind more text a soft hyphen is not seen, and takes no room.
            used += width(piece.rstrip(SOFT_HYPHEN)) if piece.endswith(SOFT_HYPHEN) else wide
            continue
        if kept := line.strip(_EDGE):
            yield kept
        line, used = (piece, wide) if piece.strip(_EDGE) else ("", 0.0)
    if kept := line.strip(_EDGE):
        yield kept


def _pieces(text: str, room: float, width: Callable[[str], float]) -> Iterator[str]:
    """What no line needs to break, in order: gaps, and words or parts of words."""
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
    """The parts of a word between the places where a line may end."""
    piece = ""
    for cluster in clusters(word):
        if piece and _may_break(piece[-1], piece, cluster):
            yield piece
            piece = ""
        piece += cluster
    yield piece


def _may_break(last: str, before: str, cluster: str) -> bool:
    """Whether a line may end between `before`, whose last character is `last`, and `cluster`."""
    if cluster[0] in _NO_BREAK or last in _NO_BREAK or _CLOSES.match(cluster):
        return False
    if _BREAKS_BEHIND.match(last):
        return True
    if _OPENS.match(last):
        return False
    return any(map(_IDEOGRAPH.match, (_letter_at_end(before), cluster)))


def _letter_at_end(text: str) -> str:
    """The first character of the last cluster."""
    *_, cluster = clusters(text[-8:])
    return cluster[0]


def _broken(word: str, room: float, width: Callable[[str], float]) -> Iterator[str]:
    """A long address breaks behind its signs where it can: `somebody@` / `example.org`."""
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
    """A word in parts, each with the signs of addresses behind it."""
    part, ends = "", False
    for cluster in clusters(word):
        is_sign = cluster[0] in _SIGNS_OF_ADDRESSES
        if part and ends and not is_sign and cluster[0] not in _NO_BREAK:
            yield part
            part = ""
        part, ends = part + cluster, is_sign
    yield part


def _held(part: str, room: float, width: Callable[[str], float]) -> Iterator[str]:
    """Clusters, those beside a no-break space together with it, unless a line has no room for that."""
    group = ""
    for cluster in clusters(part):
        if group and cluster[0] not in _NO_BREAK and group[-1] not in _NO_BREAK:
            yield from [group] if width(group) <= room else clusters(group)
            group = ""
        group += cluster
    yield from [group] if width(group) <= room else clusters(group)
