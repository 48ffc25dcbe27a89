"""Our name for what is handed over, as providers keep it and bring it back.

Each sending of a delivery has a name of its own: to a provider, what an administrator sends again is something new, and
what comes back late is about the sending that it names.
"""

from typing import NamedTuple

from db.dispatch.in_flight import LiveDelivery
from db.log.deliveries import DeliveryKey
from domain.ids import LARGEST


class Sending(NamedTuple):
    """A delivery, and how often it had been sent again on demand before."""

    delivery: DeliveryKey
    resends: int


def spell(delivery: LiveDelivery) -> str:
    """The name of a delivery's present sending: `7.12.0`, and `7.12.0.2` once it was sent again twice."""
    numbers = (*delivery.key, delivery.resends) if delivery.resends else delivery.key
    return ".".join(map(str, numbers))


def read(text: str | None) -> Sending | None:
    """The sending that `text` names; None where it is no such name."""
    parts = (text or "").split(".")
    if len(parts) not in (3, 4) or not all(
        part.isascii() and part.isdigit() and len(part) <= 19 for part in parts
    ):
        return None
    message, recipient, number, resends, *_ = (*map(int, parts), 0)
    if max(message, recipient, number, resends) > LARGEST:
        return None
    return Sending(DeliveryKey(message, recipient, number), resends)
