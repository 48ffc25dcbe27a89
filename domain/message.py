"""A message at ingest: its sources, formats and first statuses.

`resolvers.ingest.parse` parses it; `domain.status` has the later statuses.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from domain.receipts import status_of_code
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus

CHUNK: Final = 500
"""The number of deliveries that are handed over together."""

EXCLUDED_TYPES: Final = frozenset({"OLR"})
"""Online registration mail, which has a separate log (manual, first page)."""

LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class BodyFormat(StrEnum):
    """The format of a body."""

    PLAIN = "PLAIN"
    HTML = "HTML"


class Source(StrEnum):
    """The origin of a message."""

    TEMPLATE = "TEMPLATE"
    SCHEDULER = "SCHEDULER"
    SYSTEM = "SYSTEM"


class Criterion(NamedTuple):
    """One criterion by which a sender chose the recipients: label and value."""

    label: str
    value: str


def visible_from(source: Source, scheduled_at: datetime) -> datetime:
    """Return the instant from which the log shows a message: its scheduled time if a scheduler created it, else always."""
    return scheduled_at if source is Source.SCHEDULER else LONG_AGO


def first_status(*, scheduled_at: datetime, now: datetime, has_open: bool) -> MessageStatus:
    """Return the status of a new message; `has_open`: it has deliveries to send."""
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
    """Return the status of a delivery of a recorded message, from the facts in its record.

    The older log recorded an opt-out as a text without a status (manual: "opted out (Blank status)").
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
    is_open = message is MessageStatus.IN_PROGRESS or (
        message is MessageStatus.ERROR and mode is DeliveryMode.VOICE
    )
    return DeliveryStatus.IN_PROGRESS if is_open else DeliveryStatus.SENT
