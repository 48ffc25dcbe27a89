"""The lines of the import format as values, and their encoding."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

import orjson

from domain.message import BodyFormat, Source
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus


class Named(TypedDict):
    """A person with the id of the sending system."""

    id: str
    name: str


class MessageType(TypedDict):
    """The type of a message: its label and its code."""

    code: str
    label: str


class FilterCriterion(TypedDict):
    """One line of the criteria by which the recipients were chosen."""

    label: str
    value: str


class CancellationLine(TypedDict):
    """The cancellation of a message of history."""

    at: datetime
    by: Named
    reason: str


class DeviceLine(TypedDict):
    """One delivery, with its outcome if it is history."""

    mode: DeliveryMode
    address: str
    status: NotRequired[DeliveryStatus]
    callStatus: NotRequired[int]
    confirmed: NotRequired[bool]
    at: NotRequired[datetime]


class DistrictLine(TypedDict):
    """A district; `callWindow` is in local time, null for any time."""

    kind: Literal["district"]
    id: str
    name: str
    timeZone: str
    hasVoice: bool
    callWindow: tuple[str, str] | None


class SchoolLine(TypedDict):
    """A school of a district."""

    kind: Literal["school"]
    id: str
    district: str
    name: str


class MessageLine(TypedDict):
    """A message; `school` null for the whole district; with a `status` it is history."""

    kind: Literal["message"]
    id: str
    district: str
    school: str | None
    type: MessageType
    subject: str
    body: str
    bodyFormat: BodyFormat
    textBody: str | None
    voiceScript: str | None
    replyTo: str | None
    sender: Named
    createdAt: datetime
    scheduledAt: datetime
    scheduleId: str | None
    source: Source
    modes: tuple[DeliveryMode, ...]
    filterCriteria: tuple[FilterCriterion, ...]
    category: NotRequired[str]
    status: NotRequired[MessageStatus]
    cancellation: NotRequired[CancellationLine]


class RecipientLine(TypedDict):
    """A person in the recipient list of a message, for one student if there is one."""

    kind: Literal["recipient"]
    message: str
    person: Named
    student: Named | None
    devices: list[DeviceLine]


class EndLine(TypedDict):
    """The end of a message."""

    kind: Literal["end"]
    message: str


Line: TypeAlias = DistrictLine | SchoolLine | MessageLine | RecipientLine | EndLine


def criteria(*pairs: tuple[str, str]) -> tuple[FilterCriterion, ...]:
    """Filter criteria from pairs of label and value."""
    return tuple({"label": label, "value": value} for label, value in pairs)


def with_recipients(message: MessageLine, recipients: Iterable[RecipientLine]) -> Iterator[Line]:
    """A whole message: its line, its recipients, its end."""
    yield message
    yield from recipients
    yield {"kind": "end", "message": message["id"]}


def encode(line: Line) -> bytes:
    """The line in UTF-8 with its line feed; instants have an offset."""
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
