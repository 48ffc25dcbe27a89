"""The figures of a message: people and addresses are counted once each.

`db` stores counters of deliveries by their facts; the rules that compute the figures from them are here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from domain.call_status import OPTED_OUT, SUCCESSES
from domain.status import DeliveryMode, DeliveryStatus


class Tally(NamedTuple):
    """The number of deliveries of a message with the same facts."""

    mode: DeliveryMode
    status: DeliveryStatus
    call_status: int | None
    is_duplicate: bool
    deliveries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The ten figures of the Delivery Summary, with the names of the GraphQL schema."""

    total_recipients: int
    total_no_device: int
    total_inbox: int
    total_emails: int
    total_voice: int
    total_text: int
    total_voice_attempted: int
    total_text_attempted: int
    recipients_contacted_by_phone: int
    recipients_not_contacted_by_phone: int


def is_reached(call_status: int | None, confirmed: bool) -> bool:
    """Return whether a voice or text delivery with these facts counts as contacted (manual, Phone Messages)."""
    return confirmed or call_status in SUCCESSES


def figures(
    tallies: Iterable[Tally], *, people: int, without_device: int, contacted: int
) -> Figures:
    """Return the figures of one message from its tallies and its numbers of people.

    Without duplicates, each address of a mode has one delivery, so counting deliveries counts addresses.
    """
    firsts = [tally for tally in tallies if not tally.is_duplicate]

    def count(mode: DeliveryMode, rule: Callable[[Tally], bool] = lambda tally: True) -> int:
        return sum(tally.deliveries for tally in firsts if tally.mode is mode and rule(tally))

    return Figures(
        total_recipients=people,
        total_no_device=without_device,
        total_inbox=count(
            DeliveryMode.INBOX,
            lambda t: t.status in (DeliveryStatus.SENT, DeliveryStatus.DELIVERED),
        ),
        total_emails=count(DeliveryMode.EMAIL),
        total_voice=count(DeliveryMode.VOICE),
        total_text=count(DeliveryMode.TEXT),
        total_voice_attempted=count(
            DeliveryMode.VOICE, lambda t: t.status is not DeliveryStatus.CANCELED
        ),
        total_text_attempted=count(DeliveryMode.TEXT, _is_attempted_text),
        recipients_contacted_by_phone=contacted,
        recipients_not_contacted_by_phone=people - contacted,
    )


def _is_attempted_text(tally: Tally) -> bool:
    if tally.call_status == OPTED_OUT:
        return False
    return tally.status not in (DeliveryStatus.CANCELED, DeliveryStatus.OPTED_OUT)
