"""The lines that sample data is made of, as values, and their encoding.

One shape for each kind of line of the import format. What stands in a line is decided by the modules that make them.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

import orjson

from domain.message import BodyFormat, Source
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus


class Named(TypedDict):
    """Somebody with the id under which the sending system knows them."""

    id: str
    name: str


class MessageType(TypedDict):
    """The type of a message: what the log shows, and the code behind it."""

    code: str
    label: str


class FilterCriterion(TypedDict):
    """One line of what the recipients were chosen by."""

    label: str
    value: str


class Cancellation(TypedDict):
    """Who stopped a message of history, when and why."""

    at: datetime
    by: Named
    reason: str


class DeviceLine(TypedDict):
    """One delivery, with its outcome where it is history."""

    mode: DeliveryMode
    address: str
    status: NotRequired[DeliveryStatus]
    callStatus: NotRequired[int]
    confirmed: NotRequired[bool]
    at: NotRequired[datetime]


class DistrictLine(TypedDict):
    """A district; the hours of `callWindow` are those of its own clock, null is any hour."""

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
    """A message; `school` null means the whole district, and a `status` makes it history."""

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
    status: NotRequired[MessageStatus]
    cancellation: NotRequired[Cancellation]


class RecipientLine(TypedDict):
    """A person in the recipient list of a message, for one student where there is one."""

    kind: Literal["recipient"]
    message: str
    person: Named
    student: Named | None
    devices: list[DeviceLine]


class EndLine(TypedDict):
    """The message is whole."""

    kind: Literal["end"]
    message: str


Line: TypeAlias = DistrictLine | SchoolLine | MessageLine | RecipientLine | EndLine


def criteria(*pairs: tuple[str, str]) -> tuple[FilterCriterion, ...]:
    """The filter criteria that pairs of label and value stand for."""
    return tuple({"label": label, "value": value} for label, value in pairs)


def with_recipients(message: MessageLine, recipients: Iterable[RecipientLine]) -> Iterator[Line]:
    """A whole message: its line, its recipients, its end."""
    yield message
    yield from recipients
    yield {"kind": "end", "message": message["id"]}


def encode(line: Line) -> bytes:
    """The line in UTF-8, with its line feed; instants carry their offset."""
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
