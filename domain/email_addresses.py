"""Normalizes email addresses to the form in which they are counted and handed over.

`email-validator` checks syntax and IDNA. Nothing checks whether the mailbox exists.
"""

import re
import unicodedata
from typing import Final
from urllib.parse import unquote

import email_validator
from email_validator import EmailNotValidError, validate_email

# email-validator rejects names that are not in the public DNS. Two of them are used: a district's mail server may have a
# name in .local, a trial installation one in .test.
_NETWORKS: Final = frozenset({"local", "test"})
email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = [
    name for name in email_validator.SPECIAL_USE_DOMAIN_NAMES if name not in _NETWORKS
]

# The fast path for common addresses: one microsecond, where email-validator takes fifty. Anything else is parsed by
# email-validator, so the pattern may be too narrow, but never too wide: no special names (.invalid, .onion …), and no label
# with a double hyphen, which may be punycode.
_PLAIN: Final = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+"
    r"(?!(?:arpa|invalid|localhost|onion)\Z)[a-z]{2,}"
)
_LONGEST_PLAIN: Final = 64
"""Characters of a plain address: below the limit of each of its parts."""

_MAILTO: Final = re.compile(r"mailto:", re.IGNORECASE)
_BRACKETS: Final = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_QUOTES: Final = "\"'`()[] "
_TRAILING: Final = "; \t,."

_READINGS: Final = 3
"""The most times that a key is normalized again until it no longer changes."""


def read_plain(text: str) -> str | None:
    """Return the key of a common address; None if `read_email` must parse it."""
    # Lower case first, because a case-insensitive pattern takes twice as long. ASCII only: lower() may change other letters.
    if len(text) <= _LONGEST_PLAIN and text.isascii():
        key = text.lower()
        if _PLAIN.fullmatch(key) is not None:
            return key
    return None


def read_email(text: str) -> str:
    """Return the key of the address in `text`, which must have no invisible characters.

    Removes display name, angle brackets, `mailto:` and trailing `; , .`. The key is in Unicode NFC and case-folded, with
    the domain in ASCII (IDNA). The key of a key is the same. Raises `ValueError` with a sentence as its text.
    """
    key = _read(_bare(text))
    for _ in range(_READINGS):
        again = _read(key)
        if again == key:
            return key
        key = again
    raise ValueError("It reads differently each time it is normalized.")


def _read(address: str) -> str:
    try:
        parts = validate_email(
            address,
            check_deliverability=False,
            allow_smtputf8=True,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
        )
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    local = unicodedata.normalize("NFC", parts.local_part.casefold())
    return f"{local}@{parts.ascii_domain}"


def _bare(text: str) -> str:
    """Return the address without name and brackets. Raises `ValueError` if the text has two addresses."""
    text = _without_trailing(text)
    if (match := _BRACKETS.fullmatch(text)) is None:
        return _without_scheme(text)
    address = _without_scheme(_without_trailing(match["address"].strip()))
    name = match["name"].strip(_QUOTES)
    # Many programs use the address as the name too. A different address there makes the text ambiguous.
    if "@" in name and name.casefold() != address.casefold():
        raise ValueError("There are two addresses in it.")
    return address


def _without_trailing(text: str) -> str:
    return text.rstrip(_TRAILING)


def _without_scheme(text: str) -> str:
    """Return the address of a `mailto:` link (RFC 6068) without its parameters; any other text unchanged."""
    if (scheme := _MAILTO.match(text)) is None:
        return text
    address = text[scheme.end() :].partition("?")[0]
    try:
        return _without_trailing(unquote(address, errors="strict").strip())
    except UnicodeDecodeError:
        raise ValueError("The mailto: link is not UTF-8.") from None
