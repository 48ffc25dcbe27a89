"""What differs between the modes of delivery: one row of a table for each."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from domain.status import DeliveryMode


class AddressKind(StrEnum):
    """The kind of an address; voice and text share phone numbers."""

    ACCOUNT = "ACCOUNT"
    EMAIL = "EMAIL"
    PHONE = "PHONE"


class ModeRules(NamedTuple):
    """The rules for one mode."""

    address: AddressKind
    label: str
    """Its name in reports."""
    patience: timedelta
    """How long after the first attempt a delivery is retried."""
    given_up: int | None
    """The code of a delivery that no provider accepted in that time; None if the mode has no codes."""


CALL_EXPIRED: Final = -11
TEXT_FAILED: Final = -30

_TWO_DAYS: Final = timedelta(days=2)
# In the evening, a call about a school that was closed in the morning is worse than no call.
_FOUR_HOURS: Final = timedelta(hours=4)

MODES: Final[Mapping[DeliveryMode, ModeRules]] = {
    DeliveryMode.INBOX: ModeRules(AddressKind.ACCOUNT, "Inbox", _TWO_DAYS, None),
    DeliveryMode.EMAIL: ModeRules(AddressKind.EMAIL, "Email", _TWO_DAYS, None),
    DeliveryMode.VOICE: ModeRules(AddressKind.PHONE, "Voice", _FOUR_HOURS, CALL_EXPIRED),
    DeliveryMode.TEXT: ModeRules(AddressKind.PHONE, "Text", _FOUR_HOURS, TEXT_FAILED),
}
"""The rules of every mode."""

PHONE_MODES: Final = frozenset(
    mode for mode, rules in MODES.items() if rules.address is AddressKind.PHONE
)
"""The modes that have codes, need voice in a district, and count as contacted."""

SCREEN_MODES: Final = frozenset(MODES) - PHONE_MODES
"""The modes that are read on a screen."""
