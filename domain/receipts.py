"""Receipts: the reports of providers about a delivery, and the state that follows from all of them.

Receipts come late, repeatedly and out of order. So the state is the strongest of all receipts, in whatever order they
arrive. Each gateway maps its provider's statuses to receipts.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from domain.call_status import NO_RESPONSE, OPTED_OUT, TEXT_SENT, call_status
from domain.status import DeliveryStatus


class Receipt(NamedTuple):
    """One report of a provider about one delivery, in our terms.

    `status` is None if the provider's status is unknown: then `detail` has it, and the delivery does not change. `key` is
    our key of the delivery. Without it, `reference` (the provider's id) and `address` identify the delivery together: at
    Mailgun, a thousand recipients share an id.
    """

    at: datetime
    """When it happened according to the provider; if it does not say, when the receipt arrived. UTC."""
    status: DeliveryStatus | None
    code: int | None = None
    confirmed: bool = False
    """The person pressed 0."""
    detail: str | None = None
    """The provider's own text."""
    key: str | None = None
    reference: str | None = None
    address: str | None = None
    """The recipient's address, as the provider writes it; None if it does not say."""
    is_incomplete: bool = False
    """The provider's record of the delivery has more and must be polled later."""
    failure: str | None = None
    """The provider's code of the failure (`domain.delivery_failures`)."""
    is_complaint: bool = False
    """The receiver marked the email as spam."""


class Mismatch(StrEnum):
    """The reason why a receipt matches no delivery."""

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
    """A receipt that matches no delivery, and the reason."""

    receipt: Receipt
    reason: Mismatch


class State(NamedTuple):
    """The known state of a delivery."""

    status: DeliveryStatus
    code: int | None = None
    confirmed: bool = False
    at: datetime | None = None
    failure: str | None = None
    """The provider's code of a failure."""


# A failure that we recorded because no response came. Any outcome that a provider reports is stronger.
_SILENCE: Final = 2

_STRENGTH: Final = {
    DeliveryStatus.PENDING: 0,
    DeliveryStatus.IN_PROGRESS: 1,
    DeliveryStatus.SENT: 3,
    DeliveryStatus.FAILED: 4,
    DeliveryStatus.OPTED_OUT: 5,
    # One proof of arrival is enough; a failed attempt does not disprove it.
    DeliveryStatus.DELIVERED: 6,
}

_VAGUE: Final = frozenset({9, -1, -20})
"""Codes for an outcome that the provider does not know."""

_QUEUED: Final = -39

_SPECIFICITY: Final = {NO_RESPONSE: 0, 13: 1, 6: 2, _QUEUED: 1} | dict.fromkeys(_VAGUE, 1)
"""Of two codes in one state the more specific one wins: a person over a machine, a reason over "unknown"."""

_MOST_SPECIFIC: Final = 3

_LATEST_STANDS: Final = frozenset({DeliveryStatus.IN_PROGRESS, DeliveryStatus.FAILED})
"""The states in which a later receipt of the same weight replaces an earlier one; in the others the first instant stands."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def status_of_code(code: int) -> DeliveryStatus:
    """Return the status of a voice or text delivery with `code`; an unknown code leaves it open."""
    meaning = call_status(code)
    if code == OPTED_OUT:
        return DeliveryStatus.OPTED_OUT
    if code == TEXT_SENT:
        return DeliveryStatus.SENT
    if not meaning.is_final:
        return DeliveryStatus.IN_PROGRESS
    return DeliveryStatus.DELIVERED if meaning.is_success else DeliveryStatus.FAILED


def apply(state: State, receipt: Receipt) -> State:
    """Return the state after one more receipt; `state` itself if the receipt adds nothing.

    The result does not depend on the order or repetition of receipts. A canceled delivery stays canceled at the time of its
    cancellation, but its code and confirmation still change.
    """
    if receipt.status not in _STRENGTH or receipt.status is DeliveryStatus.PENDING:
        return state
    confirmed = state.confirmed or receipt.confirmed
    if state.status is DeliveryStatus.CANCELED:
        return state._replace(code=_stronger_code(state.code, receipt.code), confirmed=confirmed)
    failure = receipt.failure if receipt.status is DeliveryStatus.FAILED else None
    reported = State(receipt.status, receipt.code, confirmed, receipt.at, failure)
    if _weight(reported) > _weight(state):
        return reported
    return state if confirmed == state.confirmed else state._replace(confirmed=confirmed)


def fold(state: State, receipts: Iterable[Receipt]) -> State:
    """Return the state after all of `receipts`, in any order."""
    for receipt in receipts:
        state = apply(state, receipt)
    return state


def _weight(state: State) -> tuple[int, int, bool, int, int, str]:
    """Return the sort key of a state: strength, specificity, time, then the codes.

    A total order, so that the greatest of several states is unique.
    """
    strength = _STRENGTH[state.status]
    if state.status is DeliveryStatus.FAILED and state.code == NO_RESPONSE:
        strength = _SILENCE
    if state.at is None:
        instant = 0
    else:
        since_epoch = (state.at - _EPOCH) // timedelta(microseconds=1)
        instant = since_epoch if state.status in _LATEST_STANDS else -since_epoch
    return (
        strength,
        _specificity(state.code),
        state.at is not None,
        instant,
        state.code or 0,
        state.failure or "",
    )


def _specificity(code: int | None) -> int:
    return -1 if code is None else _SPECIFICITY.get(code, _MOST_SPECIFIC)


def _stronger_code(one: int | None, other: int | None) -> int | None:
    """Return the code with the greater weight, for a delivery whose status no longer changes."""
    if one is None or other is None:
        return other if one is None else one

    def weight(code: int) -> tuple[int, int, bool, int, int, str]:
        return _weight(State(status_of_code(code), code))

    return max(one, other, key=weight)
