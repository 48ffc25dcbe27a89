"""The name of a delivery at a provider, which receipts bring back.

Each sending of a delivery has its own name. So a provider takes a resend for a new delivery, and a late receipt belongs to
the sending that it names.
"""

from typing import NamedTuple

from db.dispatch.in_flight import LiveDelivery
from db.log.deliveries import DeliveryKey
from domain.ids import LARGEST


class SendingName(NamedTuple):
    """One sending of a delivery: its key, and how many times it had been resent before."""

    delivery: DeliveryKey
    resends: int


def spell(delivery: LiveDelivery) -> str:
    """Return the name of a delivery's current sending: `7.12.0`, and `7.12.0.2` after two resends."""
    numbers = (*delivery.key, delivery.resends) if delivery.resends else delivery.key
    return ".".join(map(str, numbers))


def read(text: str | None) -> SendingName | None:
    """Return the sending that `text` names; None if `text` is not such a name."""
    parts = (text or "").split(".")
    if len(parts) not in (3, 4) or not all(
        part.isascii() and part.isdigit() and len(part) <= 19 for part in parts
    ):
        return None
    message, recipient, number, resends, *_ = (*map(int, parts), 0)
    if max(message, recipient, number, resends) > LARGEST:
        return None
    return SendingName(DeliveryKey(message, recipient, number), resends)
