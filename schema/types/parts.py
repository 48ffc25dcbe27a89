"""GraphQL types without links to messages: the parts of messages, people and summaries."""

from datetime import date, datetime
from typing import NamedTuple

import strawberry

from db.derived.figures.figure_rows import FigureRecord
from db.log import recipients as recipient_records
from db.log.deliveries import EventRecord
from db.log.districts import DistrictRecord, SchoolRecord
from db.log.messages import CancellationRecord
from db.log.recipients import RecipientOutcome
from db.search.facets import SchoolCount, SenderCount, StatusCount, TypeCount, TypeRecord
from db.search.saved_searches import SavedSearchRecord
from domain import call_status, report, waits
from domain.delivery_failures import FailureMeaning, failure_of
from domain.ids import Kind, speller
from domain.message import Criterion
from domain.status import DeliveryMode, DeliveryStatus, EventSource, MessageStatus
from domain.viewer import Right
from domain.viewer import Viewer as ViewerRecord
from resolvers import directory, messages
from resolvers.log import summary
from resolvers.request import connection
from schema.binding import bound, describes, plain, pure


class SenderRecord(NamedTuple):
    """The sender of a message or the author of an act, with id and name as the sending system gives them."""

    id: str
    name: str


def sender_of(id: str | None, name: str | None) -> SenderRecord | None:
    """The sender; None without an id."""
    return None if id is None else SenderRecord(id, name or "")


def type_of(code: str | None, label: str | None) -> TypeRecord | None:
    """The type; None without a code."""
    return None if code is None else TypeRecord(code, label or code)


def call_status_of(code: int | None) -> call_status.CallStatus | None:
    """The meaning of a code; None without one."""
    return None if code is None else call_status.call_status(code)


def provider_of(status: DeliveryStatus, gateway: str | None) -> str | None:
    """The gateway that took a delivery; None while none has."""
    return None if status is DeliveryStatus.PENDING else gateway


def failure_shown(
    mode: DeliveryMode,
    status: DeliveryStatus,
    call_status: int | None,
    gateway: str | None,
    code: str | None,
) -> FailureMeaning | None:
    """Why a delivery failed; None unless it did."""
    if status is not DeliveryStatus.FAILED:
        return None
    return failure_of(mode, gateway, call_status=call_status, code=code)


@strawberry.interface(description="Anything that has an id of its own.")
class Node:
    """Anything that has an id of its own."""

    id: strawberry.ID


@describes(connection.PageInfo)
class PageInfo:
    """Whether there are more pages, and the cursors of this one."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@describes(DistrictRecord)
class District(Node):
    """A school district."""

    id: strawberry.ID = pure(speller(Kind.DISTRICT), "id")
    name: str
    time_zone: str
    has_voice: bool = plain(description="Has Messenger with Voice: phone calls and text messages.")


@describes(SchoolRecord)
class School(Node):
    """A school of a district."""

    id: strawberry.ID = pure(speller(Kind.SCHOOL), "id")
    name: str


@describes(ViewerRecord)
class Viewer:
    """The person or service that is signed in."""

    id: strawberry.ID
    name: str
    district: District = bound(directory.district)
    rights: list[Right] = pure(
        lambda rights: [right for right in Right if right in rights], "rights"
    )
    schools: list[School] = bound(
        directory.schools_of_viewer, description="Empty: every school of the district."
    )


@describes(TypeRecord)
class MessageType:
    """A type of message."""

    code: str
    label: str


@describes(SenderRecord)
class Sender:
    """The person or service that sent or did something."""

    id: strawberry.ID
    name: str


@describes(Criterion)
class FilterCriterion:
    """One criterion by which the recipients were selected."""

    label: str
    value: str


@describes(call_status.CallStatus)
class CallStatus:
    """A call status code, as the voice and text provider reports it."""

    code: int
    label: str
    note: str
    is_success: bool = plain(description="Counts as contacted.")
    is_final: bool = plain(description="No further report is expected.")


@describes(FailureMeaning)
class DeliveryFailure:
    """Why a delivery failed, and what to do about it."""

    reason: str = plain(description="In words for a person.")
    advice: str = plain(description="What to do about it.")
    is_permanent: bool = plain(description="Trying again without a correction cannot help.")


@describes(StatusCount)
class StatusFacet:
    """A status, and the number of messages that have it."""

    status: MessageStatus
    count: int


@describes(TypeCount)
class TypeFacet:
    """A message type, and the number of messages that have it."""

    type: MessageType
    count: int


@describes(SchoolCount)
class SchoolFacet:
    """`school` null: sent for the whole district."""

    school: School | None = bound(messages.school_of)
    count: int


@describes(SenderCount)
class SenderFacet:
    """A sender, and the number of messages that it sent."""

    sender: Sender = pure(SenderRecord, "sender_id", "sender_name")
    count: int


@describes(messages.MessageListing)
class MessageFacets:
    """The values to offer in each column's drop-down, with their counts."""

    statuses: list[StatusFacet] = bound(messages.status_facets, reads=())
    types: list[TypeFacet] = bound(messages.type_facets, reads=())
    schools: list[SchoolFacet] = bound(messages.school_facets, reads=())
    senders: list[SenderFacet] = bound(
        messages.sender_facets,
        reads=(),
        description="The senders, those with most messages first, then by name.",
    )


@describes(summary.ModeProgress)
class ModeProgress:
    """The progress of one or two ways of delivery."""

    status: MessageStatus
    started_at: datetime | None
    ended_at: datetime | None
    progress_percent: int = plain(description="0 to 100.")


@describes(summary.TallyCount)
class DeliveryTally:
    """The number of deliveries of one mode in one state."""

    mode: DeliveryMode
    status: DeliveryStatus
    count: int = pure(lambda deliveries: deliveries, "deliveries")


@describes(summary.Summary)
class DeliverySummary:
    """The figures of a message: people and addresses are counted once each."""

    total_recipients: int
    total_no_device: int
    total_inbox: int
    total_emails: int
    total_voice: int
    total_text: int
    total_voice_attempted: int
    total_text_attempted: int
    recipients_contacted_by_phone: int
    recipients_not_contacted_by_phone: int
    tallies: list[DeliveryTally] = plain(
        description="How many deliveries stand in each state, by mode."
    )
    started_at: datetime | None = plain(
        description="First hand-over and last outcome; null while there is none."
    )
    ended_at: datetime | None
    duration_minutes: int | None = plain(description="Whole minutes between the two.")
    inbox_email: ModeProgress
    voice_text: ModeProgress | None = plain(
        description=(
            "The progress of voice and text. Null: the district has no voice, or the message was sent without voice and text."
        )
    )


@describes(recipient_records.OutcomeCount)
class OutcomeCount:
    """The number of recipients with an outcome. A recipient may have several, such as REACHED and HAS_FAILURE."""

    outcome: RecipientOutcome
    count: int = pure(lambda recipients: recipients, "recipients")


@describes(waits.WaitReason)
class WaitReason:
    """Why deliveries of one mode wait. Each delivery is in one reason at most."""

    mode: DeliveryMode
    reason: waits.WaitCause
    deliveries: int
    until: datetime | None = plain(description="When it is tried next, where that is known.")
    message: str = plain(description="For a person to read.")


@describes(CancellationRecord)
class Cancellation:
    """Who canceled a message, when and why, and how many deliveries it stopped."""

    requested_at: datetime
    requested_by: Sender | None = pure(
        sender_of,
        "requested_by_id",
        "requested_by_name",
        description="Null: the system itself.",
    )
    reason: str | None
    completed_at: datetime | None = plain(
        description="Null while the last deliveries in flight settle."
    )
    stopped: int = plain(description="Deliveries that will never be made because of it.")
    already_sent: int = plain(description="Deliveries that had left before it.")


@describes(EventRecord)
class DeliveryEvent:
    """A change of a delivery, or a report of its provider."""

    at: datetime
    status: DeliveryStatus
    call_status: CallStatus | None = pure(call_status_of, "call_status_code")
    source: EventSource
    detail: str | None


@describes(report.ReportOptions)
class ReportOptions:
    """The report options that a message allows."""

    devices: list[report.ReportDevice]
    details: list[report.ReportDetail]
    formats: list[report.ReportFormat]


@describes(SavedSearchRecord)
class SavedSearch:
    """A search of the log that the viewer saved under a name."""

    id: strawberry.ID = pure(speller(Kind.SAVED_SEARCH), "id")
    name: str
    arguments: str = plain(description="The arguments of `messages`, as JSON.")
    created_at: datetime


@describes(FigureRecord)
class FigureRow:
    """One row of figures; the dimensions that were not asked for are null."""

    from_: date | None = pure(
        lambda first_day: first_day,
        "first_day",
        shown_as="from",
        description="First day of the day, week (Monday) or month, in the district's time.",
    )
    school: School | None = bound(
        messages.school_of,
        reads=["school_id"],
        description="Null too for what was sent for the whole district.",
    )
    type: MessageType | None = pure(
        type_of, "type_code", "type_label", description="The type of the messages."
    )
    sender: Sender | None = pure(
        sender_of,
        "sender_id",
        "sender_name",
        description="Who sent the messages, by the name in the newest of them.",
    )
    mode: DeliveryMode | None = plain(description="The way of delivery.")
    provider: str | None = plain(
        description="The gateway that had the deliveries last. Null too for those that were not handed over from here."
    )
    messages: int = plain(description="Messages with at least one delivery in this row.")
    deliveries: int = plain(description="Deliveries in all states, without duplicates.")
    delivered: int = plain(description="Deliveries that arrived or were answered.")
    sent: int = plain(description="Deliveries that were handed over, without a further outcome.")
    failed: int = plain(description="Deliveries that failed.")
    canceled: int = plain(description="Deliveries that a cancellation stopped.")
    opted_out: int = plain(description="Texts that were not sent because the person wants none.")
    pending: int = plain(
        description="Deliveries without an outcome: not handed over, or in progress."
    )
    failure_rate: float | None = plain(
        description="Failed of those with an outcome, 0 to 1; null where fewer than 20 have one, since a rate of so few misleads."
    )
    median_seconds: int | None = plain(
        description="Median seconds from the hand-over to the outcome, within 10 %; null where none has both."
    )
