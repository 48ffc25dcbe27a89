"""The statuses of deliveries and messages, and their transitions."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple


class DeliveryMode(StrEnum):
    """A mode of delivery, in the order of the log."""

    INBOX = "INBOX"
    EMAIL = "EMAIL"
    VOICE = "VOICE"
    TEXT = "TEXT"


class DeliveryStatus(StrEnum):
    """The status of a delivery."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    OPTED_OUT = "OPTED_OUT"


class MessageStatus(StrEnum):
    """The status of a message; the log sorts by this order."""

    WAITING = "WAITING"
    IN_PROGRESS = "IN_PROGRESS"
    SENT = "SENT"
    ERROR = "ERROR"
    CANCELED = "CANCELED"
    CANCELED_IN_PROGRESS = "CANCELED_IN_PROGRESS"


class EventSource(StrEnum):
    """The cause of a change of a delivery."""

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
"""The possible next statuses of each status."""

OPEN: Final = frozenset({DeliveryStatus.PENDING, DeliveryStatus.IN_PROGRESS})
"""The statuses of a delivery without an outcome."""

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
    """The numbers of open, canceled and otherwise settled deliveries of a message, or of some of its modes."""

    open: int
    canceled: int
    settled: int

    @property
    def total(self) -> int:
        return self.open + self.canceled + self.settled


def standing(counts: Iterable[tuple[DeliveryStatus, int]]) -> Standing:
    """Return the standing from counts by status."""
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
    """Return the new status of a message from its `current` one and the standing of its deliveries.

    The start and a cancellation are decisions; the statuses between them follow from the deliveries. `is_overdue`: the
    provider's deadline for reporting calls and texts is over.
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
    """Return the status of some modes of a message with the status `message`, such as inbox and e-mail, or voice and text.

    The parts are independent: an overdue call leaves the e-mails SENT. Deliveries that a cancellation has not marked yet
    count as canceled. `has_begun`: a delivery of these modes was handed over.
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
    """Return the percentage of `part` with an outcome, 0 to 100; 100 only if nothing is open."""
    if part.total == 0:
        return 0 if status in (MessageStatus.WAITING, MessageStatus.IN_PROGRESS) else 100
    return (part.total - part.open) * 100 // part.total
