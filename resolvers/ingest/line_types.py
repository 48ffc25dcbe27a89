"""The shapes of an upload's lines: what each kind may say.

How bytes become one of these is in `resolvers.ingest.parse`. Whether a line fits what came before it is decided in `resolvers.ingest.upload`.
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
"""The years of an instant. The log's time begins with 1970; the last hours of 9999 have no date east of Greenwich."""

_TIME_OF_DAY: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_NO_ZONES: Final = frozenset({"Factory", "localtime"})
"""Names beside the zones that mean whatever the machine is set to."""


class BadLine(Exception):
    """A line that cannot be taken: in which field, and why, for the person who wrote the file."""

    def __init__(self, field: str | None, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


# gc=False: the structs hold no cycles, and the collector would walk thousands of them again and again.


class Named(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
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


class RecordedCancellation(Struct, forbid_unknown_fields=True):
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
    country: str | None = None

    def check(self) -> None:
        """Pass if there are such a zone, such a country and such hours; raises `BadLine`."""
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
        """The call window, of a district that is checked."""
        if self.callWindow is None:
            return None
        opens, closes = self.callWindow
        return time.fromisoformat(opens), time.fromisoformat(closes)

    def zone(self) -> ZoneInfo:
        """The time zone, of a district that is checked."""
        return ZoneInfo(self.timeZone)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_ZONES  # reads a folder of hundreds of files


class School(Struct, frozen=True, forbid_unknown_fields=True, tag="school", tag_field="kind"):
    """A school of a district."""

    id: Id
    district: Id
    name: Label

    def check(self) -> None:
        """Pass: its fields are all there is."""


class Message(Struct, forbid_unknown_fields=True, tag="message", tag_field="kind"):
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
    category: Label | UnsetType | None = UNSET
    """The kind of notice within its type. Unset where there is none: so it is not in the canonical line, and the digest of a
    message is the one that it had before there were categories."""

    def check(self) -> None:
        """Pass if the message is one for this log, and bring its instants to UTC; raises `BadLine`."""
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


class Device(Struct, forbid_unknown_fields=True, gc=False):
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


class Recipient(
    Struct, frozen=True, forbid_unknown_fields=True, tag="recipient", tag_field="kind", gc=False
):
    """A person in the list of a message."""

    message: Id
    person: Named
    devices: Annotated[list[Device], Meta(max_length=1_000)]
    student: Named | None = None

    def check(self) -> None:
        """Pass, with the instants of the devices in UTC; raises `BadLine`."""
        for place, device in enumerate(self.devices):
            if device.at is not None:
                device.at = utc(device.at, f"devices[{place}].at")


class End(Struct, frozen=True, forbid_unknown_fields=True, tag="end", tag_field="kind"):
    """The message is whole."""

    message: Id

    def check(self) -> None:
        """Pass: its fields are all there is."""


Line = District | School | Message | Recipient | End


def utc(instant: datetime, field: str) -> datetime:
    """`instant` in UTC, so that one instant is one value wherever it was written; raises `BadLine`."""
    if instant.year not in YEARS:
        raise BadLine(
            field,
            f"{instant.isoformat()}: its year is not between {YEARS.start} and {YEARS.stop - 1}",
        )
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
