"""Normalizes phone numbers to E.164, with an extension as `;ext=` (RFC 3966), for the district's country.

The numbering plans are those of `phonenumbers`.
"""

import re
import unicodedata
from typing import Final

from phonenumbers import (
    SUPPORTED_REGIONS,
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    ValidationResult,
    format_number,
    is_possible_number_with_reason,
    is_valid_number,
    parse,
)

DEFAULT_COUNTRY: Final = "US"

COUNTRIES: Final = frozenset(SUPPORTED_REGIONS)
"""The countries whose numbers can be parsed: ISO 3166 alpha-2."""

# The fast path for North American numbers, in E.164 and in common notation. phonenumbers takes 23 microseconds for one.
_E164: Final = re.compile(r"\+1[2-9][0-9]{9}")
_COMMON: Final = re.compile(
    r"(?:\+?1[ .-]?)?(?:\(([2-9][0-9]{2})\) ?|([2-9][0-9]{2})[ .-]?)([0-9]{3})[ .-]?([0-9]{4})"
)
_NORTH_AMERICA: Final = frozenset({"US", "CA"})
_CODE_OF_NORTH_AMERICA: Final = 1
_LONGEST_EXTENSION: Final = 10
_FEWEST_LETTERS: Final = 4
"""The fewest letters of a number with a word, 1-800-FLOWERS; fewer are a note, as in "763-2290 Mom"."""

_EXTENSION_WORDS: Final = frozenset(
    {"x", "xx", "ext", "extn", "extension", "extensión", "anexo", "int", "доб", "poste"}
)
_LABEL: Final = re.compile(r"[^\d+(]*")

_REASONS: Final = {
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "It has no area code.",
    ValidationResult.INVALID_COUNTRY_CODE: "There is no such country code.",
    ValidationResult.TOO_SHORT: "It has too few digits.",
    ValidationResult.INVALID_LENGTH: "No number there has so many digits.",
    ValidationResult.TOO_LONG: "It has too many digits.",
}
_FAULTS: Final = {
    NumberParseException.INVALID_COUNTRY_CODE: "There is no such country code.",
    NumberParseException.NOT_A_NUMBER: "It does not look like a number.",
    NumberParseException.TOO_SHORT_AFTER_IDD: "It has too few digits.",
    NumberParseException.TOO_SHORT_NSN: "It has too few digits.",
    NumberParseException.TOO_LONG: "It has too many digits.",
}


def read_plain(text: str, country: str) -> str | None:
    """Return the key of a common North American number; None if `read_number` must parse it."""
    if _E164.fullmatch(text) is not None:
        return text
    if country in _NORTH_AMERICA and (match := _COMMON.fullmatch(text)) is not None:
        return f"+1{match[1] or match[2]}{match[3]}{match[4]}"
    return None


def read_number(text: str, country: str) -> str:
    """Return the key of the number in `text`: E.164, with `;ext=` and the extension. `text` has no invisible characters.

    The key of a key is the same. Raises `ValueError` with a sentence as its text.
    """
    number = _parse(_with_ascii_digits(text), country)
    key = _key(number)
    if _key(_parse(key, country)) != key:
        raise ValueError("It can be read as more than one number.")
    return key


def _parse(text: str, country: str) -> PhoneNumber:
    """Parse a complete number of a valid length, possibly followed by a word as a note. Raises `ValueError`."""
    if "@" in text:
        raise ValueError("It looks like an email address.")
    head, word, is_apart = _split_note(text)
    if word and word.casefold() not in _EXTENSION_WORDS:
        try:
            number = _parse_digits(head, country)
        except ValueError:
            pass  # the word may be part of the number: 1-800-FLOWERS
        else:
            # In countries with numbers of several lengths, letters adjacent to the digits may be mistyped digits.
            if is_apart or number.country_code == _CODE_OF_NORTH_AMERICA:
                return number
    return _parse_digits(text, country)


def _split_note(text: str) -> tuple[str, str, bool]:
    """Return the text without the word at its end, that word, and whether anything is between them."""
    end = text.rstrip(" \t.)")
    start = len(end)
    while start and end[start - 1].isalpha():
        start -= 1
    head = end[:start].rstrip(" \t,;:/-(")
    return head, end[start:], len(head) < start


def _parse_digits(text: str, country: str) -> PhoneNumber:
    try:
        number = parse(text, country)
    except NumberParseException as error:
        raise ValueError(_FAULTS[error.error_type]) from None
    reason = is_possible_number_with_reason(number)
    if reason != ValidationResult.IS_POSSIBLE:
        raise ValueError(_REASONS[reason])
    if len(number.extension or "") > _LONGEST_EXTENSION:
        raise ValueError(f"Its extension has more than {_LONGEST_EXTENSION} digits.")
    _check_letters(_without_extension(text, number), number)
    return number


def _check_letters(text: str, number: PhoneNumber) -> None:
    """Raise `ValueError` unless the letters in a number form a word of it.

    phonenumbers drops one or two letters, and converts three or more to digits: "+49 30 9O1820" would be another number.
    """
    body = _LABEL.sub("", text, count=1)
    letters = sum(character.isalpha() for character in body)
    if not letters:
        return
    is_word = (
        number.country_code == _CODE_OF_NORTH_AMERICA
        and letters >= _FEWEST_LETTERS
        and is_valid_number(number)
    )
    if not is_word:
        raise ValueError("There are letters in it.")


def _without_extension(text: str, number: PhoneNumber) -> str:
    """Return the text before the extension and its label."""
    if not number.extension or (place := text.rfind(number.extension)) < 0:
        return text
    head = text[:place]
    while head and not head[-1].isdigit():
        head = head[:-1]
    return head


def _with_ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKC", text)
    return "".join(
        str(unicodedata.digit(character)) if unicodedata.category(character) == "Nd" else character
        for character in plain
    )


def _key(number: PhoneNumber) -> str:
    e164 = format_number(number, PhoneNumberFormat.E164)
    return f"{e164};ext={number.extension}" if number.extension else e164
