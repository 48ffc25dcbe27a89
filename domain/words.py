"""The words of texts, and queries for words and phrases: `late "school bus"`.

Texts and queries are folded (`domain.search`) and then divided at every character that is no letter, mark or number.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from domain.search import fold

LONGEST_WORD: Final = 100
"""Characters of a word that count; indexes have a limit."""

APART: Final = " . "
"""Between two texts: no word is a dot, so a phrase does not go from one text into the next."""

PAIR: Final = "·"
"""Between the two words of a pair; no word has it."""

# Scripts that are written without spaces between words: each character is a word, and several are a phrase.
_UNSPACED: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


class TextQuery(NamedTuple):
    """A query for texts that have all these words, and all these phrases."""

    words: tuple[str, ...]
    """Words, and the pairs of which phrases consist, each once, in order of the alphabet."""
    phrases: tuple[str, ...] = ()
    """Phrases of three words or more, as `join_words` writes them. One of two words is a pair."""


def words_of(text: str) -> list[str]:
    """Return the folded words of a text, in their order."""
    return [word[:LONGEST_WORD] for word in fold(text).translate(_SPACED).split()]


def join_words(texts: Iterable[str | None]) -> str:
    """Return the words of texts as one text, each pair of neighbors between them: `" late late·bus bus . no "`.

    With the pairs an index finds a phrase, even if each of its words is in every text.
    """
    joined = [_with_pairs(words_of(text)) for text in texts if text]
    return f" {APART.join(filter(None, joined))} "


def _with_pairs(words: Sequence[str]) -> str:
    mixed = [*words, *words[1:]]
    mixed[::2] = words
    mixed[1::2] = [f"{word}{PAIR}{after}" for word, after in pairwise(words)]
    return " ".join(mixed)


def parse_query(typed: str) -> TextQuery:
    """Return the query for a typed text: words, and phrases in double quotes. Quotation marks of all kinds count.

    A quotation mark without a second one is no quotation mark. What has several words without a space between, such as
    `o'brien` or `6-8`, is a phrase.
    """
    parts = fold(typed).split('"')
    if len(parts) % 2 == 0:
        parts[-2:] = [f"{parts[-2]} {parts[-1]}"]
    terms: list[str] = []
    for place, part in enumerate(parts):
        terms += [part] if place % 2 else part.split()
    words, phrases = set[str](), set[str]()
    for term in terms:
        found = words_of(term)
        words.update(map(PAIR.join, pairwise(found)) if len(found) > 1 else found)
        if len(found) > 2:
            phrases.add(_with_pairs(found))
    return TextQuery(tuple(sorted(words)), tuple(sorted(phrases)))


class _Spaced(dict[int, str]):
    """Each character as it is, or as a space if it separates words, computed on first access."""

    def __missing__(self, code: int) -> str:
        spaced = _space(code)
        if code < 0x10000:  # a text with all characters must not fill the memory
            self[code] = spaced
        return spaced


_SPACED: Final = _Spaced()


def _space(code: int) -> str:
    character = chr(code)
    if unicodedata.category(character)[0] not in "LMN":
        return " "
    is_word = any(first <= code <= last for first, last in _UNSPACED)
    return f" {character} " if is_word else character
