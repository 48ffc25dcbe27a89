"""Text folding for searches: a typed text matches a displayed text if its key is part of the other's key.

A key is a plain string, so any database can search for one inside another. `db.log.text_match` does.
"""

import re
import unicodedata
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

_SAME_SIGN: Final = {
    # The apostrophe and its substitutes: quotation marks, primes, spacing accents, modifier letters.
    "'": "\N{GRAVE ACCENT}\N{ACUTE ACCENT}\N{MODIFIER LETTER PRIME}\N{MODIFIER LETTER TURNED COMMA}"
    "\N{MODIFIER LETTER APOSTROPHE}\N{MODIFIER LETTER REVERSED COMMA}\N{MODIFIER LETTER RIGHT HALF RING}"
    "\N{MODIFIER LETTER LEFT HALF RING}\N{MODIFIER LETTER VERTICAL LINE}\N{MODIFIER LETTER GRAVE ACCENT}"
    "\N{MODIFIER LETTER ACUTE ACCENT}\N{ARMENIAN APOSTROPHE}\N{HEBREW PUNCTUATION GERESH}"
    "\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}\N{SINGLE LOW-9 QUOTATION MARK}"
    "\N{SINGLE HIGH-REVERSED-9 QUOTATION MARK}\N{PRIME}\N{REVERSED PRIME}\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"
    "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}\N{LATIN SMALL LETTER SALTILLO}\N{LATIN CAPITAL LETTER SALTILLO}"
    "\N{FULLWIDTH APOSTROPHE}\N{FULLWIDTH GRAVE ACCENT}",
    '"': "\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}"
    "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}\N{DOUBLE LOW-9 QUOTATION MARK}"
    "\N{DOUBLE HIGH-REVERSED-9 QUOTATION MARK}\N{DOUBLE LOW-REVERSED-9 QUOTATION MARK}\N{DOUBLE PRIME}"
    "\N{REVERSED DOUBLE PRIME}\N{MODIFIER LETTER DOUBLE PRIME}\N{MODIFIER LETTER DOUBLE APOSTROPHE}"
    "\N{HEBREW PUNCTUATION GERSHAYIM}\N{REVERSED DOUBLE PRIME QUOTATION MARK}\N{DOUBLE PRIME QUOTATION MARK}"
    "\N{LOW DOUBLE PRIME QUOTATION MARK}\N{FULLWIDTH QUOTATION MARK}",
    # In addition to Unicode's category "dash punctuation".
    "-": "\N{MINUS SIGN}\N{HYPHEN BULLET}\N{MODIFIER LETTER MINUS SIGN}\N{HEAVY MINUS SIGN}",
    "/": "\N{FRACTION SLASH}\N{DIVISION SLASH}",
    " ": "\N{BRAILLE PATTERN BLANK}",
}
_SAME_LETTER: Final = {
    # Letters that Unicode does not decompose into a plain letter and a mark, although people type the plain letter.
    "l": "ł",
    "d": "đð",
    "o": "ø",
    "ae": "æ",
    "oe": "œ",
    "th": "þ",
    "h": "ħ",
    "i": "\N{LATIN SMALL LETTER DOTLESS I}",
    "t": "ŧ",
    # Arabic letters as keyboards of several languages write them.
    "\N{ARABIC LETTER ALEF}": "\N{ARABIC LETTER ALEF WASLA}\N{ARABIC LETTER ALEF WITH WAVY HAMZA ABOVE}"
    "\N{ARABIC LETTER ALEF WITH WAVY HAMZA BELOW}",
    "\N{ARABIC LETTER HEH}": "\N{ARABIC LETTER TEH MARBUTA}\N{ARABIC LETTER HEH GOAL}\N{ARABIC LETTER TEH MARBUTA GOAL}"
    "\N{ARABIC LETTER HEH DOACHASHMEE}\N{ARABIC LETTER AE}",
    "\N{ARABIC LETTER KAF}": "\N{ARABIC LETTER KEHEH}\N{ARABIC LETTER SWASH KAF}",
    "\N{ARABIC LETTER YEH}": "\N{ARABIC LETTER ALEF MAKSURA}\N{ARABIC LETTER FARSI YEH}\N{ARABIC LETTER YEH BARREE}",
    # A letter that only stretches a word in print.
    "": "\N{ARABIC TATWEEL}",
}
_SAME: Final = {
    variant: folded
    for table in (_SAME_SIGN, _SAME_LETTER)
    for folded, variants in table.items()
    for variant in variants
}

# Unicode's Default_Ignorable_Code_Point without the format characters: grapheme joiner, fillers of Hangul and Khmer,
# variation selectors.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# Marks with these combining classes are not accents: without them, words in Devanagari or Japanese would change.
_NO_ACCENTS: Final = frozenset({0, 7, 8, 9})
_LEADING_ZERO_OF_HOUR: Final = re.compile(r"(?:^| )0(?=\d:)")
_SPACES: Final = re.compile("  +")
_PHONE: Final = re.compile(r"[\d ().+\-]+")
_NO_DIGITS: Final = re.compile(r"\D+")


def fold(text: str) -> str:
    """Return the key of `text`; texts that people regard as equal have the same key, so that `nguyen` matches `Nguyễn`.

    Removes case, accents and invisible characters, and reduces white space to one space between words. Unifies the kinds
    of apostrophe, quotation mark and dash, the variants of Arabic and Persian letters, and the digits of all scripts. The
    key of a key is the same.
    """
    if text.isascii() and text.isprintable():
        key = text.lower().replace("`", "'")
    else:
        key = unicodedata.normalize("NFC", text.translate(_FOLDED))
    if "  " in key:
        key = _SPACES.sub(" ", key)
    return key.strip(" ")


def count_visible(text: str) -> int:
    """Return how many characters of `text` a reader sees and a search compares; accents belong to their letter."""
    return sum(bool(fold(character)) for character in unicodedata.normalize("NFC", text))


class _Folded(dict[int, str]):
    """The folded form of each character, computed on first access."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = _fold_character(character)
        # Beyond the first plane only characters that change are cached, so that arbitrary needles cannot fill the memory.
        if code < 0x10000 or folded != character:
            self[code] = folded
        return folded


_FOLDED: Final = _Folded()


def _fold_character(character: str) -> str:
    if (same := _SAME.get(character)) is not None:
        return same
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    if category == "Pd":
        return "-"
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if character == "\0":
        return character  # no text of the log has it, and a needle with it finds none
    if category in ("Cc", "Cf") or _INVISIBLE.match(character):
        return ""
    if unicodedata.combining(character) not in _NO_ACCENTS:
        return ""
    parts = unicodedata.normalize("NFKD", character.casefold())
    return character if parts == character else "".join(map(_fold_character, parts))


def date_text(instant: datetime, zone: ZoneInfo) -> str:
    """Return `instant` as the log shows it in `zone`: `01/31/2020 3:00 PM`, without a leading zero in the hour."""
    local = instant.astimezone(zone)
    return f"{local:%m/%d/%Y} {clock_text(local.time())}"


def clock_text(local: time) -> str:
    """Return a time of day as the log shows it: `3:00 PM`, without a leading zero in the hour."""
    return f"{local.hour % 12 or 12}:{local.minute:02} {'PM' if local.hour >= 12 else 'AM'}"


def fold_date(typed: str) -> str:
    """Return the key of a typed part of a date, to search for in `fold(date_text(…))`.

    A leading zero marks the start of the hour: `03:00 PM` matches `3:00 PM`, and `01:00` does not match `11:00`.
    """
    return _LEADING_ZERO_OF_HOUR.sub(" ", fold(typed))


def digits_of_phone(typed: str) -> str | None:
    """Return the digits of `typed` if it looks like (a part of) a phone number, so that `(612) 555` matches `+1612555…`."""
    key = fold(typed)
    if _PHONE.fullmatch(key) is None:
        return None
    digits = _NO_DIGITS.sub("", key)
    return digits if len(digits) >= 3 else None
