"""What a message is before anything happens to it.

How it comes in as text is the reader's (`resolvers.ingest.parse`); how it goes on is in `domain.status`.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from domain.receipts import status_of_code
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus

CHUNK: Final = 500
"""Deliveries that are handed over together."""

EXCLUDED_TYPES: Final = frozenset({"OLR"})
"""Online registration mail has a log of its own (manual, first page)."""

LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class BodyFormat(StrEnum):
    """How a body is written."""

    PLAIN = "PLAIN"
    HTML = "HTML"


class Source(StrEnum):
    """What made a message."""

    TEMPLATE = "TEMPLATE"
    SCHEDULER = "SCHEDULER"
    SYSTEM = "SYSTEM"


class Criterion(NamedTuple):
    """One line of what a sender chose the recipients by: "Deliver To" and what was chosen."""

    label: str
    value: str


def visible_from(source: Source, scheduled_at: datetime) -> datetime:
    """The instant from which the log shows a message: its scheduled time where a scheduler made it, else always."""
    return scheduled_at if source is Source.SCHEDULER else LONG_AGO


def first_status(*, scheduled_at: datetime, now: datetime, has_open: bool) -> MessageStatus:
    """Where a message stands when it comes in to be sent; `has_open`: some delivery of it is to be sent."""
    if scheduled_at > now:
        return MessageStatus.WAITING
    return MessageStatus.IN_PROGRESS if has_open else MessageStatus.SENT


def recorded_status(
    message: MessageStatus,
    mode: DeliveryMode,
    *,
    status: DeliveryStatus | None,
    code: int | None,
    confirmed: bool,
) -> DeliveryStatus:
    """Where a delivery of a recorded message stands, given as much as its record says.

    A text without any status is how the older log recorded an opt-out (manual: "opted out (Blank status)").
    """
    if status is not None:
        return status
    if confirmed:
        return DeliveryStatus.DELIVERED
    if code is not None:
        return status_of_code(code)
    if message is MessageStatus.CANCELED:
        return DeliveryStatus.CANCELED
    if message is MessageStatus.WAITING:
        return DeliveryStatus.PENDING
    if mode is DeliveryMode.TEXT:
        return DeliveryStatus.OPTED_OUT
    owed = message is MessageStatus.IN_PROGRESS or (
        message is MessageStatus.ERROR and mode is DeliveryMode.VOICE
    )
    return DeliveryStatus.IN_PROGRESS if owed else DeliveryStatus.SENT
