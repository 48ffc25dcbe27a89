"""What an address is, and when two of them are the same.

Whether an address can be reached, or has opted out, is not decided here.
"""

import re
from enum import StrEnum
from typing import Final, NamedTuple

from domain.status import DeliveryMode

LONGEST: Final = 320
"""Characters: a mailbox of 64, the sign, and a domain of 255 (RFC 5321, 4.5.3.1)."""

_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}(;ext=[0-9]{1,10})?")
_PUNCTUATION: Final = re.compile(r"[\s().\-]+")
_EXTENSION: Final = re.compile(r"(?:;ext=|,?\s*(?:x|ext)\.?\s*)([0-9]+)$", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@]+")


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
    """The text cannot be an address of its mode; the message says what one looks like."""


class Address(NamedTuple):
    """An address as it is `shown`, and its `key`: two deliveries go to one address when kind and key are equal."""

    kind: AddressKind
    shown: str
    key: str


def normalise(mode: DeliveryMode, text: str) -> Address:
    """The address that `text` means for `mode`.

    E-mail: trimmed for show, case folded as key. Phone: E.164, with an extension as `;ext=` (RFC 3966). Portal account:
    trimmed. Raises `InvalidAddress`.
    """
    kind = KIND_OF_MODE[mode]
    shown = text.strip()
    if not shown or len(shown) > LONGEST:
        raise InvalidAddress(f"an address has 1 to {LONGEST} characters, this one has {len(shown)}")
    if kind is AddressKind.PHONE:
        number = _phone(shown)
        return Address(kind, number, number)
    if kind is AddressKind.EMAIL:
        if _EMAIL.fullmatch(shown) is None:
            raise InvalidAddress(f"{shown!r} is not an e-mail address: write name@domain")
        return Address(kind, shown, shown.casefold())
    return Address(kind, shown, shown)


def _phone(text: str) -> str:
    if _PHONE.fullmatch(
        text
    ):  # nearly every number comes like this, and a large import has millions
        return text
    number, extension = text, ""
    if found := _EXTENSION.search(text):
        number, extension = text[: found.start()], f";ext={found[1]}"
    plain = _PUNCTUATION.sub("", number) + extension
    if _PHONE.fullmatch(plain) is None:
        raise InvalidAddress(
            f"{text!r} is not a phone number in international form: write it like +16125550101, with country code"
        )
    return plain
