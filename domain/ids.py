"""The ids that clients see: opaque to them, readable to us.

An id says what kind of thing it names and which one; it says nothing about who may see it.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

LARGEST: Final = 2**63 - 1


class Kind(StrEnum):
    """What an id can name."""

    DISTRICT = "district"
    SCHOOL = "school"
    MESSAGE = "message"
    PERSON = "person"
    RECIPIENT = "recipient"
    DELIVERY = "delivery"
    REPORT = "report"
    AUDIT_ENTRY = "audit-entry"


WIDTHS: Final = dict.fromkeys(Kind, 1) | {Kind.RECIPIENT: 2, Kind.DELIVERY: 3}
"""How many numbers tell one thing of a kind from the others."""


class Reference(NamedTuple):
    """What an id names: `message.7` is the message 7, `recipient.7.12` the twelfth of its recipients."""

    kind: Kind
    key: tuple[int, ...]


def spell(kind: Kind, *key: int) -> str:
    """The id of the thing of `kind` with this key."""
    return ".".join((kind, *map(str, key)))


def speller(kind: Kind) -> Callable[..., str]:
    """What spells the ids of `kind`, from the numbers of a key; for thousands, where `spell` takes five times as long."""
    return f"{kind}{'.{}' * WIDTHS[kind]}".format


def read(text: str) -> Reference | None:
    """What `text` names; None where it is no id: then there is no such thing, and nobody needs to know why."""
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
    """The key that `text` names, if it is an id of this kind."""
    reference = read(text)
    return reference.key if reference is not None and reference.kind is kind else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19 and (text == "0" or text[0] != "0")


_KINDS: Final = {kind.value: kind for kind in Kind}
