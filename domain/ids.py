"""The ids of the API: opaque to clients, readable for us.

An id has a kind and a key. It grants no access.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

LARGEST: Final = 2**63 - 1


class Kind(StrEnum):
    """The kind of object of an id."""

    DISTRICT = "district"
    SCHOOL = "school"
    MESSAGE = "message"
    PERSON = "person"
    STUDENT = "student"
    RECIPIENT = "recipient"
    DELIVERY = "delivery"
    ADDRESS = "address"
    REPORT = "report"
    AUDIT_ENTRY = "audit-entry"
    SAVED_SEARCH = "saved-search"


WIDTHS: Final = dict.fromkeys(Kind, 1) | {Kind.RECIPIENT: 2, Kind.DELIVERY: 3}
"""The number of integers in a key of each kind."""


class Reference(NamedTuple):
    """A parsed id: `message.7` is message 7, `recipient.7.12` is recipient number 12 of message 7."""

    kind: Kind
    key: tuple[int, ...]


def spell(kind: Kind, *key: int) -> str:
    """Return the id of the object of `kind` with this key."""
    return ".".join((kind, *map(str, key)))


def speller(kind: Kind) -> Callable[..., str]:
    """Return a function from a key to the id of `kind`, for thousands of ids: `spell` takes five times as long."""
    return f"{kind}{'.{}' * WIDTHS[kind]}".format


def read(text: str) -> Reference | None:
    """Parse an id; return None if it is invalid, which callers treat as "not found"."""
    name, *digits = text.split(".")
    kind = _KINDS.get(name)
    if (
        kind is None
        or len(digits) != WIDTHS[kind]
        or not all(_is_number(number) for number in digits)
    ):
        return None
    key = tuple(map(int, digits))
    return Reference(kind, key) if max(key) <= LARGEST else None


def key_of(kind: Kind, text: str) -> tuple[int, ...] | None:
    """Return the key in `text`; None unless it is an id of this kind."""
    reference = read(text)
    return reference.key if reference is not None and reference.kind is kind else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19 and (text == "0" or text[0] != "0")


_KINDS: Final = {kind.value: kind for kind in Kind}
