"""The states of a delivery and of a message, and how one follows from another.

One table of transitions serves both the Python below and the guarded updates in `db`.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple


class DeliveryMode(StrEnum):
    """A way of delivery, in the order in which the log names them."""

    INBOX = "INBOX"
    EMAIL = "EMAIL"
    VOICE = "VOICE"
    TEXT = "TEXT"


PHONE_MODES: Final = frozenset({DeliveryMode.VOICE, DeliveryMode.TEXT})


class DeliveryStatus(StrEnum):
    """Where one delivery stands."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    OPTED_OUT = "OPTED_OUT"


class MessageStatus(StrEnum):
    """Where a message stands; the log sorts by this order."""

    WAITING = "WAITING"
    IN_PROGRESS = "IN_PROGRESS"
    SENT = "SENT"
    ERROR = "ERROR"
    CANCELED = "CANCELED"
    CANCELED_IN_PROGRESS = "CANCELED_IN_PROGRESS"


class EventSource(StrEnum):
    """What made a delivery change."""

    DISPATCH = "DISPATCH"
    CALLBACK = "CALLBACK"
    REFRESH = "REFRESH"
    CANCEL = "CANCEL"
    TIMEOUT = "TIMEOUT"
    IMPORT = "IMPORT"


TRANSITIONS: Final = {
    DeliveryStatus.PENDING: frozenset(
        {DeliveryStatus.IN_PROGRESS, DeliveryStatus.CANCELED, DeliveryStatus.OPTED_OUT}
    ),
    DeliveryStatus.IN_PROGRESS: frozenset(
        {DeliveryStatus.SENT, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED}
    ),
    DeliveryStatus.SENT: frozenset({DeliveryStatus.DELIVERED, DeliveryStatus.FAILED}),
    DeliveryStatus.DELIVERED: frozenset[DeliveryStatus](),
    DeliveryStatus.FAILED: frozenset[DeliveryStatus](),
    DeliveryStatus.CANCELED: frozenset[DeliveryStatus](),
    DeliveryStatus.OPTED_OUT: frozenset[DeliveryStatus](),
}
"""What each state may become."""

OPEN: Final = frozenset({DeliveryStatus.PENDING, DeliveryStatus.IN_PROGRESS})
"""The states in which an outcome is still owed."""

STATUS_LABELS: Final = {
    DeliveryStatus.PENDING: "Pending",
    DeliveryStatus.IN_PROGRESS: "In-Progress",
    DeliveryStatus.SENT: "Sent",
    DeliveryStatus.DELIVERED: "Delivered",
    DeliveryStatus.FAILED: "Failed",
    DeliveryStatus.CANCELED: "Canceled",
    DeliveryStatus.OPTED_OUT: "Opted Out",
}

MESSAGE_STATUS_LABELS: Final = {
    MessageStatus.WAITING: "Waiting",
    MessageStatus.IN_PROGRESS: "In-Progress",
    MessageStatus.SENT: "Sent",
    MessageStatus.ERROR: "Error",
    MessageStatus.CANCELED: "Canceled",
    MessageStatus.CANCELED_IN_PROGRESS: "Canceled IP",
}


class Standing(NamedTuple):
    """How many deliveries of a message, or of some of its modes, are open, canceled, and otherwise settled."""

    open: int
    canceled: int
    settled: int

    @property
    def total(self) -> int:
        return self.open + self.canceled + self.settled


def standing(counts: Iterable[tuple[DeliveryStatus, int]]) -> Standing:
    """The standing that counts by status add up to."""
    still_open = canceled = settled = 0
    for status, count in counts:
        if status in OPEN:
            still_open += count
        elif status is DeliveryStatus.CANCELED:
            canceled += count
        else:
            settled += count
    return Standing(still_open, canceled, settled)


def message_status(current: MessageStatus, part: Standing, *, is_overdue: bool) -> MessageStatus:
    """Where a message stands that stood at `current` and whose deliveries now stand at `part`.

    It begins, and is canceled, by a decision; only what is between follows from its deliveries. `is_overdue`: the time in
    which a provider says how calls and texts went is over.
    """
    if current in (
        MessageStatus.WAITING,
        MessageStatus.CANCELED,
        MessageStatus.CANCELED_IN_PROGRESS,
    ):
        return current
    if part.open == 0:
        return MessageStatus.SENT
    return MessageStatus.ERROR if is_overdue else MessageStatus.IN_PROGRESS


def mode_status(
    message: MessageStatus, part: Standing, *, has_phone: bool, has_begun: bool = True
) -> MessageStatus:
    """The status of some modes of a message that stands at `message`: what the log shows for inbox and e-mail, voice and text.

    A part never fails for the other's sake: an overdue call leaves the e-mails SENT. What a cancellation has not come to yet
    stands as if it had. `has_begun`: something of these modes was handed over.
    """
    if message is MessageStatus.WAITING:
        return message
    is_canceled = message in (MessageStatus.CANCELED, MessageStatus.CANCELED_IN_PROGRESS)
    if part.total == 0:
        return message if is_canceled else MessageStatus.SENT
    if part.canceled or (is_canceled and part.open):
        is_under_way = part.open and message is not MessageStatus.CANCELED
        has_left = (part.settled and has_begun) or is_under_way
        return MessageStatus.CANCELED_IN_PROGRESS if has_left else MessageStatus.CANCELED
    if part.open:
        overdue = message is MessageStatus.ERROR and has_phone
        return MessageStatus.ERROR if overdue else MessageStatus.IN_PROGRESS
    return MessageStatus.SENT


def progress_percent(part: Standing, status: MessageStatus) -> int:
    """How much of `part` has its outcome, 0 to 100; a hundred only when nothing is open."""
    if part.total == 0:
        return 0 if status in (MessageStatus.WAITING, MessageStatus.IN_PROGRESS) else 100
    return (part.total - part.open) * 100 // part.total
