"""Registers the enumerations of the contract, with descriptions of their values.

They are here, below the types, because arguments of resolvers use them, too.
"""

from enum import Enum
from typing import Any

import strawberry

from db.audit.entries import Action
from domain.delivery_failures import ProblemKind
from domain.figures import FigureDimension
from domain.message import BodyFormat
from domain.modes import AddressKind
from domain.people import Role
from domain.report import ReportDetail, ReportDevice, ReportFormat, ReportStatus
from domain.status import DeliveryMode, DeliveryStatus, EventSource, MessageStatus
from domain.viewer import Right
from domain.waits import WaitCause


def _enum(members: type[Enum], *, name: str | None = None, **meanings: str) -> None:
    definition: Any = strawberry.enum(members, name=name).__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = meanings.get(value.name)


_enum(
    MessageStatus,
    WAITING="Scheduled, not begun. Can be canceled.",
    IN_PROGRESS="Being delivered. Can be canceled.",
    SENT="Every delivery has been handed over and has its outcome.",
    ERROR="A provider has not returned every outcome in time. A refresh may still change it.",
    CANCELED="Canceled before anything was delivered.",
    CANCELED_IN_PROGRESS="Canceled after delivery had begun.",
)
_enum(
    DeliveryStatus,
    PENDING="Not handed over yet.",
    IN_PROGRESS="Handed over, outcome open.",
    SENT="Handed over; the way knows no further outcome, or none has come.",
    DELIVERED="The provider says that it arrived or that somebody answered.",
    CANCELED="Stopped by a cancellation. Never counted as a failure.",
    OPTED_OUT="The person has asked for no text messages.",
)
_enum(
    Right,
    VIEW_LOG="Search the log, open any message of the viewer's schools.",
    VIEW_RECIPIENTS="See names, addresses and message bodies. Without it they come masked.",
    INGEST_MESSAGES="A service that writes messages into the log.",
    VIEW_SYSTEM="See how the installation is doing: providers, queues, workers.",
    READ_INBOX="A portal's service that shows families their inbox, with the bodies of its messages.",
    VIEW_AUDIT="See who looked or acted, in the whole district.",
)
_enum(
    Action,
    name="AuditAction",
    SEARCH_PEOPLE="Searched people. Each person on the page that was read has an entry of its own.",
    OPEN_INBOX="Read the inbox of a portal account.",
    INGEST="Messages came in. An upload has one entry for each of its transactions.",
    OPEN_AUDIT="Looked at the audit itself.",
    PURGE_MESSAGE="Removed the recipients of an old message, and what it said.",
    OTHER="What a later release wrote, and this one has no word for.",
)
_enum(
    WaitCause,
    SCHEDULED="The delivery starts later.",
    CALL_WINDOW="The district's hours for calls are over, or have not begun.",
    RATE_LIMIT="The provider takes a limited number each second, and others are first.",
    NO_GATEWAY="This installation has no provider for this way of delivery.",
    PROVIDER_DOWN="The provider accepts nothing. It is tried again after a pause.",
    RETRY="The provider did not accept these yet. They are tried again after a pause.",
    NO_WORKER="No process that sends was seen lately.",
)
_enum(
    Role,
    name="PersonRole",
    CONTACT="Somebody to whom messages are sent.",
    STUDENT="Somebody about whom messages are sent.",
)
_enum(DeliveryMode)
_enum(AddressKind)
_enum(
    ProblemKind,
    name="ContactProblemKind",
    INVALID="The number or mailbox does not exist: it has to be corrected.",
    UNREACHABLE="It exists, but nobody was reached in the last attempts.",
    CANNOT_TEXT="A landline, or a number that takes no texts.",
    COMPLAINED="The receiver marked a message as spam.",
)
_enum(ReportDevice)
_enum(ReportDetail)
_enum(ReportFormat)
_enum(ReportStatus)
_enum(BodyFormat)
_enum(EventSource, name="DeliveryEventSource")
_enum(
    FigureDimension,
    DAY="The local day on which the message was created.",
    WEEK="The week of that day. It begins on Monday.",
    MONTH="The month of that day.",
    SCHOOL="The school that sent the message.",
    TYPE="The type of the message.",
    SENDER="Who sent the message.",
    MODE="The way of delivery.",
    PROVIDER="The gateway that had the delivery last.",
)
