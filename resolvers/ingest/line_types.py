"""The types of an upload's lines, with the checks of their fields.

`resolvers.ingest.parse` parses bytes into them; `resolvers.ingest.upload` checks a line against earlier ones.
"""

import re
from datetime import UTC, datetime, time
from functools import cache
from typing import Annotated, Final
from zoneinfo import ZoneInfo, available_timezones

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.message import EXCLUDED_TYPES, BodyFormat, Source
from domain.phone_numbers import COUNTRIES
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus

Id = Annotated[str, Meta(min_length=1, max_length=200)]
Label = Annotated[str, Meta(min_length=1, max_length=500)]
Body = Annotated[str, Meta(max_length=1_000_000)]
Instant = Annotated[datetime, Meta(tz=True)]
Code = Annotated[int, Meta(ge=-32_000, le=32_000)]

YEARS: Final = range(1970, 9999)
"""The years of an instant. The log starts in 1970; the last hours of 9999 have no local date east of Greenwich."""

_TIME_OF_DAY: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_NO_ZONES: Final = frozenset({"Factory", "localtime"})
"""Zone names that mean the setting of the machine."""


class BadLine(Exception):
    """An invalid line: the field, and the reason for the person who wrote the file."""

    def __init__(self, field: str | None, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


# gc=False: the structs contain no cycles, and the collector would scan thousands of them repeatedly.


class NamedPerson(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A person with the id of the sending system."""

    id: Id
    name: Label


class TypeOfMessage(Struct, frozen=True, forbid_unknown_fields=True):
    """The type of a message."""

    code: Id
    label: Label


class UploadedCriterion(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the criteria by which the recipients were chosen."""

    label: str
    value: str


class RecordedCancellation(Struct, forbid_unknown_fields=True):
    """Who canceled a message of history, if known."""

    at: Instant
    by: NamedPerson | None = None
    reason: str | None = None


class UploadedDistrict(
    Struct, frozen=True, forbid_unknown_fields=True, tag="district", tag_field="kind"
):
    """A district; precedes its messages. A later line updates the district."""

    id: Id
    name: Label
    timeZone: str
    hasVoice: bool
    callWindow: tuple[str, str] | None = None
    country: str | None = None

    def check(self) -> None:
        """Pass if the zone, the country and the hours exist. Raises `BadLine`."""
        if self.country is not None and self.country not in COUNTRIES:
            raise BadLine(
                "country",
                f"{self.country!r} is not a country whose phone numbers can be read: write its ISO 3166 code, like US",
            )
        if self.timeZone not in _zones():
            raise BadLine(
                "timeZone",
                f"{self.timeZone!r} is no time zone: write one of the IANA names, like America/Chicago",
            )
        if self.callWindow is None:
            return
        opens, closes = self.callWindow
        if not (_TIME_OF_DAY.fullmatch(opens) and _TIME_OF_DAY.fullmatch(closes)):
            raise BadLine(
                "callWindow",
                f'{list(self.callWindow)} are no times of day: write ["08:00","20:00"]',
            )
        if opens >= closes:
            raise BadLine(
                "callWindow",
                f"{list(self.callWindow)}: it closes before it opens; "
                "leave it out where calls may be placed at any time",
            )

    def hours(self) -> tuple[time, time] | None:
        """The call window of a checked district."""
        if self.callWindow is None:
            return None
        opens, closes = self.callWindow
        return time.fromisoformat(opens), time.fromisoformat(closes)

    def zone(self) -> ZoneInfo:
        """The time zone of a checked district."""
        return ZoneInfo(self.timeZone)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_ZONES  # reads a folder of hundreds of files


class UploadedSchool(
    Struct, frozen=True, forbid_unknown_fields=True, tag="school", tag_field="kind"
):
    """A school of a district."""

    id: Id
    district: Id
    name: Label

    def check(self) -> None:
        """Pass; its fields need no further check."""


class UploadedMessage(Struct, forbid_unknown_fields=True, tag="message", tag_field="kind"):
    """The first line of a message; recipient lines and an end line follow."""

    id: Id
    district: Id
    type: TypeOfMessage
    subject: Annotated[str, Meta(max_length=1_000)]
    body: Body
    bodyFormat: BodyFormat
    sender: NamedPerson
    createdAt: Instant
    scheduledAt: Instant
    source: Source
    modes: list[DeliveryMode]
    school: Id | None = None
    scheduleId: Id | None = None
    textBody: Body | None = None
    voiceScript: Body | None = None
    replyTo: Annotated[str, Meta(max_length=320)] | None = None
    filterCriteria: list[UploadedCriterion] | None = None
    status: MessageStatus | None = None
    cancellation: RecordedCancellation | None = None
    category: Label | UnsetType | None = UNSET
    """The kind of notice within its type. Unset if missing, so that the canonical line and the digest are those from before
    categories existed."""

    def check(self) -> None:
        """Pass if the message belongs in this log, and convert its instants to UTC. Raises `BadLine`."""
        self.category = self.category or UNSET
        self.createdAt = utc(self.createdAt, "createdAt")
        self.scheduledAt = utc(self.scheduledAt, "scheduledAt")
        if self.type.code.strip().upper() in EXCLUDED_TYPES:
            raise BadLine(
                "type.code",
                f"{self.type.code} mail is kept in a log of its own: leave it out of this file",
            )
        if len(set(self.modes)) != len(self.modes):
            raise BadLine("modes", f"{[str(mode) for mode in self.modes]}: a mode stands twice")
        if self.cancellation is not None:
            self.cancellation.at = utc(self.cancellation.at, "cancellation.at")
            if self.status not in (MessageStatus.CANCELED, MessageStatus.CANCELED_IN_PROGRESS):
                raise BadLine(
                    "cancellation",
                    "only a message whose status is CANCELED or CANCELED_IN_PROGRESS has one",
                )


class UploadedDevice(Struct, forbid_unknown_fields=True, gc=False):
    """One delivery of a recipient; all fields but the first two are history."""

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


class UploadedRecipient(
    Struct, frozen=True, forbid_unknown_fields=True, tag="recipient", tag_field="kind", gc=False
):
    """A person in the list of a message."""

    message: Id
    person: NamedPerson
    devices: Annotated[list[UploadedDevice], Meta(max_length=1_000)]
    student: NamedPerson | None = None

    def check(self) -> None:
        """Pass, and convert the instants of the devices to UTC. Raises `BadLine`."""
        for place, device in enumerate(self.devices):
            if device.at is not None:
                device.at = utc(device.at, f"devices[{place}].at")


class End(Struct, frozen=True, forbid_unknown_fields=True, tag="end", tag_field="kind"):
    """The last line of a message."""

    message: Id

    def check(self) -> None:
        """Pass; its fields need no further check."""


Line = UploadedDistrict | UploadedSchool | UploadedMessage | UploadedRecipient | End


def utc(instant: datetime, field: str) -> datetime:
    """`instant` in UTC, so that equal instants have one form. Raises `BadLine`."""
    if instant.year not in YEARS:
        raise BadLine(
            field,
            f"{instant.isoformat()}: its year is not between {YEARS.start} and {YEARS.stop - 1}",
        )
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
