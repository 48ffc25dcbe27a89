"""Split text into what a reader sees as one character: a letter with its marks, a syllable, a flag, a family of emoji.

Close to the grapheme clusters of Unicode Standard Annex 29. Properties that Python lacks are derived from those that it has.
If the two differ, this keeps more together: any virama and the Khmer coeng join the letters beside them, and a Thai or Lao
vowel that is written first stays with its consonant.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

JOINER: Final = "\u200d"
VIRAMA: Final = 9
"""The canonical combining class of signs that remove a consonant's vowel."""
# These only show that no vowel follows. They join nothing: the next syllable may begin a line.
_VISIBLE_KILLERS: Final = frozenset("\u0e3a\u0eba\u103a")
_EXTENDS: Final = re.compile(
    "[\u200c\u200d\u180e\u0e33\u0eb3\uff9e\uff9f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
)
"""Characters that belong to the character before them, but are not marks by their category."""
_PREPENDS: Final = re.compile(
    "[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\U000110bd\U000110cd\U000111c2\U000111c3\U0001193f\U00011941"
    "\U00011a3a\U00011a84-\U00011a89\U00011d46\u0e40-\u0e44\u0ec0-\u0ec4]"
)
"""Characters that belong to the character after them."""
_FLAG_LETTER: Final = re.compile("[\U0001f1e6-\U0001f1ff]")
_HANGUL_L: Final = re.compile("[\u1100-\u115f\ua960-\ua97c]")
_HANGUL_L_NEXT: Final = re.compile("[\u1100-\u11a7\ua960-\ua97c\uac00-\ud7c6]")
_HANGUL_V: Final = re.compile("[\u1160-\u11a7\ud7b0-\ud7c6\uac00-\ud7a3]")
_HANGUL_V_NEXT: Final = re.compile("[\u1160-\u11ff\ud7b0-\ud7fb]")
_HANGUL_T: Final = re.compile("[\u11a8-\u11ff\ud7cb-\ud7fb]")


def clusters(text: str) -> Iterator[str]:
    """Yield the clusters of `text` in order; joined they are the text."""
    if text.isascii() and "\r" not in text:
        yield from text
        return
    cluster = ""
    for character in text:
        if cluster and not _joins(cluster, character):
            yield cluster
            cluster = ""
        cluster += character
    if cluster:
        yield cluster


def _joins(cluster: str, character: str) -> bool:
    """Return whether `character` continues `cluster`, which precedes it."""
    last = cluster[-1]
    if last.isascii() and character.isascii():
        return last == "\r" and character == "\n"
    if last.isspace() or character.isspace():
        return False
    if unicodedata.category(character)[0] == "M" or _EXTENDS.match(character):
        return True
    if last == JOINER or _PREPENDS.match(last):
        return True
    if unicodedata.combining(last) == VIRAMA and last not in _VISIBLE_KILLERS:
        return character.isalpha()
    if _FLAG_LETTER.match(last) and _FLAG_LETTER.match(character):
        return len(cluster) % 2 == 1
    return _is_one_syllable(last, character)


def _is_one_syllable(last: str, character: str) -> bool:
    """Return whether two characters are parts of one Hangul syllable (rules GB6 to GB8)."""
    if _HANGUL_L.match(last):
        return _HANGUL_L_NEXT.match(character) is not None
    if _HANGUL_V.match(last):
        return _HANGUL_V_NEXT.match(character) is not None
    return _HANGUL_T.match(last) is not None and _HANGUL_T.match(character) is not None
