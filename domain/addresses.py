"""Addresses: their normalized form, which decides whether two are the same. Gateways do not parse them again."""

from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

from domain import email_addresses, phone_numbers
from domain.invisible import without_invisible
from domain.modes import MODES, AddressKind
from domain.phone_numbers import DEFAULT_COUNTRY
from domain.status import DeliveryMode

LONGEST: Final = 320
"""Characters: a local part of 64, the @, and a domain of 255 (RFC 5321, 4.5.3.1)."""

UNREADABLE: Final = " "
"""The first character of the key of an unreadable address. Keys of readable ones are trimmed, so they never start with it."""

LONGEST_UNREADABLE: Final = 1_000
"""Bytes of the key of an unreadable address; a longer one is shortened and gets a hash."""

REMEMBERED: Final = 8_192
"""Size of the cache of parsed addresses: the messages of one upload go to the same families."""


class InvalidAddress(ValueError):
    """A text is not an address of its kind. The message has the text, the reason and an example.

    `reason` has only the reason, for viewers who may not see addresses.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Address(NamedTuple):
    """An address as displayed (`shown`), and its `key`: addresses with the same kind and key are the same.

    The provider gets the key.
    """

    kind: AddressKind
    shown: str
    key: str


def normalise(mode: DeliveryMode, text: str, *, country: str = DEFAULT_COUNTRY) -> Address:
    """Parse the address in `text` for `mode`; phone numbers are parsed for `country` (ISO 3166 alpha-2).

    `email_addresses.read_email` returns the key of an email, and `phone_numbers.read_number` that of a phone number, which
    is also displayed. A portal account is trimmed. Raises `InvalidAddress`.
    """
    kind = MODES[mode].address
    if kind is AddressKind.EMAIL:
        if (key := email_addresses.read_plain(text)) is not None:
            return Address(kind, text, key)
        return _read_email(text)
    if kind is AddressKind.PHONE:
        if (key := phone_numbers.read_plain(text, country)) is not None:
            return Address(kind, key, key)
        return _read_number(text, country)
    shown = text.strip()
    _check_length(shown)
    return Address(kind, shown, shown)


def unreadable(mode: DeliveryMode, text: str) -> Address:
    """Return the address of a text that `normalise` rejects: it is shown, counted and never sent to.

    Its key has at most `LONGEST_UNREADABLE` bytes and is never that of a readable address. Equal texts have equal keys.
    """
    kind = MODES[mode].address
    shown = without_invisible(text) if kind is not AddressKind.ACCOUNT else text.strip()
    plain = shown.casefold() if kind is not AddressKind.ACCOUNT else shown
    encoded = plain.encode(errors="surrogatepass")
    if len(encoded) >= LONGEST_UNREADABLE:
        # 150 characters are at most 600 bytes.
        plain = f"{plain[:150]} {sha256(encoded).hexdigest()}"
    return Address(kind, _shortened(shown), UNREADABLE + plain)


@lru_cache(REMEMBERED)
def _read_email(text: str) -> Address:
    shown = without_invisible(text)
    _check_length(shown)
    try:
        return Address(AddressKind.EMAIL, shown, email_addresses.read_email(shown))
    except ValueError as error:
        raise InvalidAddress(
            f"{shown!r} is not an email address. {error} Write it like heather@school.example.",
            reason=f"This is not an email address. {error}",
        ) from None


@lru_cache(REMEMBERED)
def _read_number(text: str, country: str) -> Address:
    shown = without_invisible(text)
    _check_length(shown)
    try:
        number = phone_numbers.read_number(shown, country)
    except ValueError as error:
        raise InvalidAddress(
            f"{shown!r} is not a phone number. {error} Write it like +16125550101, with country code.",
            reason=f"This is not a phone number. {error}",
        ) from None
    return Address(AddressKind.PHONE, number, number)


def _check_length(shown: str) -> None:
    if not shown or len(shown) > LONGEST:
        reason = f"an address has 1 to {LONGEST} characters, this one has {len(shown)}"
        raise InvalidAddress(reason, reason=reason)


def _shortened(shown: str) -> str:
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
