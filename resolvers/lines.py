"""The lines of an upload: what each kind may say, and what is wrong with one that says otherwise.

Whether a line fits what came before it is decided in `resolvers.ingest`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, time
from functools import cache
from typing import Annotated, Final, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from domain.message import EXCLUDED_TYPES, BodyFormat, Source
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus

LONGEST_LINE: Final = 4 * 1024 * 1024
"""Bytes: a body of some megabytes is a mistake, and a file without line ends must not fill the memory."""

Id = Annotated[str, Meta(min_length=1, max_length=200)]
Label = Annotated[str, Meta(min_length=1, max_length=500)]
Body = Annotated[str, Meta(max_length=1_000_000)]
Instant = Annotated[datetime, Meta(tz=True)]
Code = Annotated[int, Meta(ge=-32_000, le=32_000)]


class BadLine(Exception):
    """A line that cannot be taken: in which field, and why, for the person who wrote the file."""

    def __init__(self, field: str | None, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


class Named(Struct, frozen=True, forbid_unknown_fields=True):
    """A person, with the id of the sending system."""

    id: Id
    name: Label


class TypeOfMessage(Struct, frozen=True, forbid_unknown_fields=True):
    """The type of a message."""

    code: Id
    label: Label


class Criterion(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of what the recipients were chosen by."""

    label: str
    value: str


class RecordedCancellation(Struct, frozen=True, forbid_unknown_fields=True):
    """Who canceled a message of history, where that is known."""

    at: Instant
    by: Named | None = None
    reason: str | None = None


class District(Struct, frozen=True, forbid_unknown_fields=True, tag="district", tag_field="kind"):
    """A district: said once before its messages; said again it brings the district up to date."""

    id: Id
    name: Label
    timeZone: str
    hasVoice: bool
    callWindow: tuple[str, str] | None = None

    def hours(self) -> tuple[time, time] | None:
        """The call window; raises `BadLine` where it is none."""
        if self.callWindow is None:
            return None
        try:
            opens, closes = (time.fromisoformat(text) for text in self.callWindow)
        except ValueError:
            raise BadLine(
                "callWindow",
                f'{list(self.callWindow)} are no times of day: write ["08:00","20:00"]',
            ) from None
        if opens >= closes:
            raise BadLine("callWindow", f"{list(self.callWindow)}: it closes before it opens")
        return opens, closes

    def zone(self) -> ZoneInfo:
        """The time zone; raises `BadLine` where there is none of that name."""
        if self.timeZone not in _zones():
            raise BadLine(
                "timeZone",
                f"{self.timeZone!r} is no time zone: write one of the IANA names, like America/Chicago",
            )
        return ZoneInfo(self.timeZone)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())  # reads a folder of hundreds of files


class School(Struct, frozen=True, forbid_unknown_fields=True, tag="school", tag_field="kind"):
    """A school of a district."""

    id: Id
    district: Id
    name: Label


class Message(Struct, frozen=True, forbid_unknown_fields=True, tag="message", tag_field="kind"):
    """A message: its recipients follow, and an end."""

    id: Id
    district: Id
    type: TypeOfMessage
    subject: Annotated[str, Meta(max_length=1_000)]
    body: Body
    bodyFormat: BodyFormat
    sender: Named
    createdAt: Instant
    scheduledAt: Instant
    source: Source
    modes: list[DeliveryMode]
    school: Id | None = None
    scheduleId: Id | None = None
    textBody: Body | None = None
    voiceScript: Body | None = None
    replyTo: Annotated[str, Meta(max_length=320)] | None = None
    filterCriteria: list[Criterion] | None = None
    status: MessageStatus | None = None
    cancellation: RecordedCancellation | None = None

    def check(self) -> None:
        """Pass if the message is one for this log; raises `BadLine`."""
        if self.type.code.upper() in EXCLUDED_TYPES:
            raise BadLine(
                "type.code",
                f"{self.type.code} mail is kept in a log of its own: leave it out of this file",
            )
        if len(set(self.modes)) != len(self.modes):
            raise BadLine("modes", f"{[str(mode) for mode in self.modes]}: a mode stands twice")
        canceled = self.status in (MessageStatus.CANCELED, MessageStatus.CANCELED_IN_PROGRESS)
        if self.cancellation is not None and not canceled:
            raise BadLine(
                "cancellation",
                "only a message whose status is CANCELED or CANCELED_IN_PROGRESS has one",
            )


class Device(Struct, frozen=True, forbid_unknown_fields=True):
    """One delivery of a recipient; all but the first two are history."""

    mode: DeliveryMode
    address: str
    status: DeliveryStatus | None = None
    callStatus: Code | None = None
    confirmed: bool | None = None
    at: Instant | None = None

    @property
    def is_recorded(self) -> bool:
        return not (
            self.status is None
            and self.callStatus is None
            and self.confirmed is None
            and self.at is None
        )


class Recipient(Struct, frozen=True, forbid_unknown_fields=True, tag="recipient", tag_field="kind"):
    """A person in the list of a message."""

    message: Id
    person: Named
    devices: Annotated[list[Device], Meta(max_length=1_000)]
    student: Named | None = None


class End(Struct, frozen=True, forbid_unknown_fields=True, tag="end", tag_field="kind"):
    """The message is whole."""

    message: Id


Line = District | School | Message | Recipient | End


class _Reference(Struct):
    """What can be read of a line that cannot be read: to which message it belongs."""

    kind: str | UnsetType = UNSET
    id: str | UnsetType = UNSET
    message: str | UnsetType = UNSET


class Belonging(NamedTuple):
    """The message that a bad line names, if it can be told; and whether it opens that message."""

    message: str | None
    opens: bool


_decode: Final[Callable[[bytes], Line]] = msgspec.json.Decoder(Line).decode
_decode_reference = msgspec.json.Decoder(_Reference).decode
_encode = msgspec.json.Encoder().encode

_PLACE: Final = re.compile(r"^(?P<reason>.*) - at `\$\.?(?P<field>.*)`$", re.DOTALL)
_MISSING: Final = re.compile(r"^Object missing required field `(?P<field>\w+)`")
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(?P<field>\w+)`")
_KINDS: Final = "district, school, message, recipient or end"


def parse(line: bytes) -> Line:
    """The line, checked field by field. Raises `BadLine`."""
    if len(line) > LONGEST_LINE:
        raise BadLine(
            None, f"this line is longer than {LONGEST_LINE} bytes: does the file have line ends?"
        )
    try:
        return _decode(line)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadLine(None, f"this is not a JSON object in UTF-8: {error}") from None


def canonical(line: Line) -> bytes:
    """The line in one spelling: whatever the order and spacing of its fields, and nulls said or left out."""
    return _encode(line)


def belonging(line: bytes) -> Belonging:
    """The message that a line which cannot be parsed belongs to, as far as it can be told."""
    try:
        reference = _decode_reference(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Belonging(None, False)
    if reference.kind == "message":
        return Belonging(reference.id or None, True)
    return Belonging(reference.message or None, False)


def _explain(message: str) -> BadLine:
    place = _PLACE.match(message)
    reason, path = (place["reason"], place["field"]) if place else (message, "")
    for pattern, text in _FINDINGS.items():
        if found := pattern.match(reason):
            return BadLine(f"{path}.{found['field']}".lstrip("."), text)
    if path == "kind" or (not path and "kind" in reason):
        return BadLine("kind", f"a line's kind is {_KINDS}")
    return BadLine(path or None, reason[:1].lower() + reason[1:])


_FINDINGS: Final[Mapping[re.Pattern[str], str]] = {
    _MISSING: "this field is required",
    _UNKNOWN: "this field is unknown here: is it spelled right?",
}
