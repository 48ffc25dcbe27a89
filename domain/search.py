"""When a text that somebody typed is found in a text that is shown.

Two texts are compared by their keys, and a key is a plain string, so that any store can look for one inside another.
How a store does that quickly is not said here.
"""

import re
import unicodedata
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

# Letters that Unicode does not take apart into a plain letter and a mark, though people type the plain letter.
_PLAIN: Final = str.maketrans(
    {
        "ł": "l",
        "đ": "d",
        "ø": "o",
        "æ": "ae",
        "œ": "oe",
        "ð": "d",
        "þ": "th",
        "ħ": "h",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
        "ŧ": "t",
    }
)
# Marks with these combining classes are no accents: without them Devanagari or Japanese would be other words.
_NO_ACCENTS: Final = frozenset({0, 7, 8, 9})
_LEADING_ZERO_OF_HOUR: Final = re.compile(r"(?:^|(?<=\s))\s*0(?=\d:)")
_SPACE: Final = re.compile(r"\s+")


def fold(text: str) -> str:
    """The key of `text`: without case, accents and doubled white space, so that `nguyen` is found in `Nguyễn`."""
    if text.isascii():
        return _SPACE.sub(" ", text).lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(c for c in decomposed if unicodedata.combining(c) in _NO_ACCENTS)
    return _SPACE.sub(" ", unicodedata.normalize("NFC", bare.casefold().translate(_PLAIN)))


def date_text(instant: datetime, zone: ZoneInfo) -> str:
    """`instant` as the log shows it on the wall clock of `zone`: `01/31/2020 3:00 PM`, no leading zero in the hour."""
    local = instant.astimezone(zone)
    return f"{local:%m/%d/%Y} {local.hour % 12 or 12}:{local.minute:02} {'PM' if local.hour >= 12 else 'AM'}"


def fold_date(typed: str) -> str:
    """The key of a part of a date that somebody typed, to be found in `fold(date_text(…))`.

    A leading zero in the hour is taken as meant: `03:00 PM` finds `3:00 PM`, and `01:00` does not find `11:00`.
    """
    return fold(_LEADING_ZERO_OF_HOUR.sub(" ", typed)).rstrip()


def digits_of_phone(typed: str) -> str | None:
    """The digits of `typed` where it reads as (a part of) a phone number, so that `(612) 555` finds `+1612555…`."""
    if re.fullmatch(r"[\d\s().+\-]+", typed) is None:
        return None
    digits = re.sub(r"\D", "", typed)
    return digits if len(digits) >= 3 else None
