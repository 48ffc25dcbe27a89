"""What an address is, and when two of them are the same. Every address is read here, once, and no gateway parses it again.

Whether an address can be reached, or has opted out, is not decided here.
"""

from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

from domain import email_addresses, phone_numbers
from domain.invisible import without_invisible
from domain.phone_numbers import DEFAULT_COUNTRY
from domain.status import DeliveryMode

LONGEST: Final = 320
"""Characters: a mailbox of 64, the sign, and a domain of 255 (RFC 5321, 4.5.3.1)."""

UNREADABLE: Final = " "
"""How the key of an address begins that cannot be read. No key of a readable one does: all of them are trimmed."""

LONGEST_UNREADABLE: Final = 1_000
"""Bytes of the key of an address that cannot be read: longer ones are shortened, and told apart by a hash."""

REMEMBERED: Final = 8_192
"""Addresses whose slow reading is remembered: one upload names the same families again and again."""


class AddressKind(StrEnum):
    """What an address names: voice and text share the phone numbers."""

    ACCOUNT = "ACCOUNT"
    EMAIL = "EMAIL"
    PHONE = "PHONE"


KIND_OF_MODE: Final = {
    DeliveryMode.INBOX: AddressKind.ACCOUNT,
    DeliveryMode.EMAIL: AddressKind.EMAIL,
    DeliveryMode.VOICE: AddressKind.PHONE,
    DeliveryMode.TEXT: AddressKind.PHONE,
}


class InvalidAddress(ValueError):
    """The text cannot be an address of its kind; the message shows it, says why, and what an address looks like.

    `reason` says why without showing the address: it may be read by those who may not see addresses.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Address(NamedTuple):
    """An address as it is `shown`, and its `key`: two deliveries go to one address when kind and key are equal.

    The key is what a provider gets.
    """

    kind: AddressKind
    shown: str
    key: str


def normalise(mode: DeliveryMode, text: str, *, country: str = DEFAULT_COUNTRY) -> Address:
    """The address that `text` means for `mode`; phone numbers are read for `country` (ISO 3166 alpha-2).

    The key of an email is `email_addresses.read_email`'s, of a phone number `phone_numbers.read_number`'s, which is shown
    too. A portal account is trimmed. Raises `InvalidAddress`.
    """
    kind = KIND_OF_MODE[mode]
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
    """The address of a text that `normalise` refuses: it is shown, counted and never sent to.

    Its key is at most `LONGEST_UNREADABLE` bytes and never that of an address that can be read. The same text has the
    same key.
    """
    kind = KIND_OF_MODE[mode]
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
