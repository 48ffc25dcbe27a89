"""What providers say about a delivery, and the state that follows from all of it together.

Receipts come late, twice and out of order. So each one only ever raises what is known: the state is the strongest thing
that was said, and does not depend on when it was said to us. Which words of which provider mean what is its gateway's.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from domain.call_status import NO_RESPONSE, OPTED_OUT, TEXT_SENT, call_status
from domain.status import DeliveryStatus


class Receipt(NamedTuple):
    """One thing that a provider said about one delivery, in our terms.

    `status` is None where its word is unknown: then `detail` holds the word, the receipt is kept, and nothing changes.
    `key` is our own name for the delivery. Without it, `reference` (the provider's id) and `address` together name it: one id
    of Mailgun's belongs to a thousand recipients.
    """

    at: datetime
    """When it happened, as the provider says; when it was heard, where the provider does not say. UTC."""
    status: DeliveryStatus | None
    code: int | None = None
    confirmed: bool = False
    """The person pressed 0."""
    detail: str | None = None
    """What the provider said, in its words."""
    key: str | None = None
    reference: str | None = None
    address: str | None = None
    """The recipient, as the provider spells it; None where the provider does not say."""
    is_incomplete: bool = False
    """The provider has more to say than it did: its record of the delivery has to be read later."""


class Mismatch(StrEnum):
    """Why a receipt belongs to no delivery."""

    NO_DELIVERY = "NO_DELIVERY"
    OTHER_GATEWAY = "OTHER_GATEWAY"
    OTHER_ADDRESS = "OTHER_ADDRESS"
    SEVERAL_DELIVERIES = "SEVERAL_DELIVERIES"
    SEVERAL_SENDINGS = "SEVERAL_SENDINGS"
    UNNAMED = "UNNAMED"


MISMATCH_REASONS: Final = {
    Mismatch.NO_DELIVERY: "the log has no delivery with this key, or with this id and address",
    Mismatch.OTHER_GATEWAY: "the delivery with this key went through another gateway",
    Mismatch.OTHER_ADDRESS: "the delivery with this key went to another address",
    Mismatch.SEVERAL_DELIVERIES: "several deliveries have this id and address",
    Mismatch.SEVERAL_SENDINGS: "the delivery was sent again, and the receipt does not say which sending it is about",
    Mismatch.UNNAMED: "it has neither a key nor an id with an address",
}
"""The reasons in words, for the log and for `sentlog receipts`."""


class Unmatched(NamedTuple):
    """A receipt that belongs to no delivery, and why."""

    receipt: Receipt
    reason: Mismatch


class State(NamedTuple):
    """What is known about a delivery."""

    status: DeliveryStatus
    code: int | None = None
    confirmed: bool = False
    at: datetime | None = None


# Settled by nobody: we wrote it down because no answer came. Whatever a provider says of an outcome is more than that.
_SILENCE: Final = 2

_STRENGTH: Final = {
    DeliveryStatus.PENDING: 0,
    DeliveryStatus.IN_PROGRESS: 1,
    DeliveryStatus.SENT: 3,
    DeliveryStatus.FAILED: 4,
    DeliveryStatus.OPTED_OUT: 5,
    # That it arrived is proven once; that an attempt failed does not disprove it.
    DeliveryStatus.DELIVERED: 6,
}

_VAGUE: Final = frozenset({9, -1, -20})
"""Codes that say only that the provider does not know."""

_QUEUED: Final = -39

_SPECIFICITY: Final = {NO_RESPONSE: 0, 13: 1, 6: 2, _QUEUED: 1} | dict.fromkeys(_VAGUE, 1)
"""Of two codes in one state the one that says more stands: a person more than a machine, a reason more than "unknown"."""

_MOST_SPECIFIC: Final = 3

_LATEST_STANDS: Final = frozenset({DeliveryStatus.IN_PROGRESS, DeliveryStatus.FAILED})
"""Where news of the same weight replaces news; in the others the first instant is the true one."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def status_of_code(code: int) -> DeliveryStatus:
    """Where a voice or text delivery stands of which the provider reports `code`; unknown codes leave it open."""
    meaning = call_status(code)
    if code == OPTED_OUT:
        return DeliveryStatus.OPTED_OUT
    if code == TEXT_SENT:
        return DeliveryStatus.SENT
    if not meaning.is_final:
        return DeliveryStatus.IN_PROGRESS
    return DeliveryStatus.DELIVERED if meaning.is_success else DeliveryStatus.FAILED


def apply(state: State, receipt: Receipt) -> State:
    """The state after one more receipt: `state` itself where the receipt says no more than is known.

    In whatever order and however often receipts are applied, the result is the same. A canceled delivery stays canceled
    at the time of its cancel; its code and confirmation show what happened all the same.
    """
    if receipt.status not in _STRENGTH or receipt.status is DeliveryStatus.PENDING:
        return state
    confirmed = state.confirmed or receipt.confirmed
    if state.status is DeliveryStatus.CANCELED:
        return state._replace(code=_stronger_code(state.code, receipt.code), confirmed=confirmed)
    said = State(receipt.status, receipt.code, confirmed, receipt.at)
    if _weight(said) > _weight(state):
        return said
    return state if confirmed == state.confirmed else state._replace(confirmed=confirmed)


def fold(state: State, receipts: Iterable[Receipt]) -> State:
    """The state after all of `receipts`, in any order."""
    for receipt in receipts:
        state = apply(state, receipt)
    return state


def _weight(state: State) -> tuple[int, int, bool, int, int]:
    """What decides between two states: how strong, how specific, then time, then the number of the code.

    A total order, so that "the greatest of all that was said" has one answer.
    """
    strength = _STRENGTH[state.status]
    if state.status is DeliveryStatus.FAILED and state.code == NO_RESPONSE:
        strength = _SILENCE
    if state.at is None:
        instant = 0
    else:
        since_epoch = (state.at - _EPOCH) // timedelta(microseconds=1)
        instant = since_epoch if state.status in _LATEST_STANDS else -since_epoch
    return strength, _specificity(state.code), state.at is not None, instant, state.code or 0


def _specificity(code: int | None) -> int:
    return -1 if code is None else _SPECIFICITY.get(code, _MOST_SPECIFIC)


def _stronger_code(one: int | None, other: int | None) -> int | None:
    """The code that says more, whatever the status: for a delivery whose status no longer moves."""
    if one is None or other is None:
        return other if one is None else one

    def weight(code: int) -> tuple[int, int, bool, int, int]:
        return _weight(State(status_of_code(code), code))

    return max(one, other, key=weight)
