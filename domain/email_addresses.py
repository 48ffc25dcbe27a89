"""Email addresses: from what somebody wrote to the one form in which an address is counted and handed over.

Syntax and IDNA are `email-validator`'s. Whether the mailbox exists is not decided here.
"""

import re
import unicodedata
from typing import Final
from urllib.parse import unquote

import email_validator
from email_validator import EmailNotValidError, validate_email

# email-validator refuses names that have no place in the public DNS. These two are names of networks: a district's own mail
# server may be called .local, a trial installation .test.
_NETWORKS: Final = frozenset({"local", "test"})
email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = [
    name for name in email_validator.SPECIAL_USE_DOMAIN_NAMES if name not in _NETWORKS
]

# What is plainly normal: read here in a microsecond, where email-validator takes fifty. Whatever this does not match is read
# by email-validator, so it may be too narrow, but never too wide. Letters of either case; no name that it calls special
# (.invalid, .onion …); no label with a double hyphen, which may be punycode.
_PLAIN: Final = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+"
    r"(?!(?:arpa|invalid|localhost|onion)\Z)[a-z]{2,}"
)
_LONGEST_PLAIN: Final = 64
"""Characters of a plain address: short enough that no limit on one of its parts is reached."""

_MAILTO: Final = re.compile(r"mailto:", re.IGNORECASE)
_BRACKETS: Final = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_QUOTES: Final = "\"'`()[] "
_TRAILING: Final = "; \t,."

_READINGS: Final = 3
"""Times a key is read again before it must have stayed the same."""


def read_plain(text: str) -> str | None:
    """The key of an address that is plainly normal; None where `read_email` has to say."""
    # Lower case first: a pattern that ignores case takes twice as long. Beyond ASCII some letters become others.
    if len(text) <= _LONGEST_PLAIN and text.isascii():
        key = text.lower()
        if _PLAIN.fullmatch(key) is not None:
            return key
    return None


def read_email(text: str) -> str:
    """The key of the address in `text`, from which invisible characters are removed already.

    Display name, angle brackets, `mailto:` and trailing `; , .` are taken off; Unicode NFC, case folded, the domain in
    ASCII (IDNA). Reading a key again gives the same key. Raises `ValueError`, whose text is a sentence.
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
    """The address alone. Raises `ValueError` where two addresses stand in the text."""
    text = _without_trailing(text)
    if (found := _BRACKETS.fullmatch(text)) is None:
        return _without_scheme(text)
    address = _without_scheme(_without_trailing(found["address"].strip()))
    name = found["name"].strip(_QUOTES)
    # Many programs write the address as the name too. Another one is another mailbox: which is meant, nobody can tell.
    if "@" in name and name.casefold() != address.casefold():
        raise ValueError("There are two addresses in it.")
    return address


def _without_trailing(text: str) -> str:
    return text.rstrip(_TRAILING)


def _without_scheme(text: str) -> str:
    """The address of a `mailto:` link (RFC 6068), without its subject and the like; any other text as it is."""
    if (scheme := _MAILTO.match(text)) is None:
        return text
    address = text[scheme.end() :].partition("?")[0]
    try:
        return _without_trailing(unquote(address, errors="strict").strip())
    except UnicodeDecodeError:
        raise ValueError("The mailto: link is not UTF-8.") from None
