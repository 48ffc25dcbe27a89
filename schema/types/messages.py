"""The GraphQL types of messages, recipients, deliveries, people and reports, which refer to one another.

They are in one module because of these references; `schema.types.parts` has the types without any.
"""

from datetime import datetime
from typing import Annotated

import strawberry

from db.derived.addresses.problems import ProblemRecord
from db.derived.addresses.records import AddressRecord
from db.log.messages import MessageRecord
from db.log.people import PersonRecord, StudentRecord
from db.log.recipients import RecipientRecord
from db.reports.records import ReportRecord
from db.reports.subjects import kind_of
from db.search.facets import TypeRecord
from domain.delivery_failures import ProblemKind
from domain.ids import Kind, speller
from domain.message import BodyFormat
from domain.modes import AddressKind
from domain.report import (
    ReportDetail,
    ReportDevice,
    ReportFormat,
    ReportKind,
    ReportStatus,
)
from domain.status import MESSAGE_STATUS_LABELS, DeliveryMode, MessageStatus
from resolvers import deliveries, directory, messages, recipients
from resolvers.addresses import addresses, problems
from resolvers.log import labels, outcomes, permissions, summary, waits
from resolvers.people import persons
from resolvers.reports import reports
from resolvers.request.connection import Edge
from schema.binding import bound, describes, plain, pure
from schema.types.deliveries import Delivery
from schema.types.parts import (
    Cancellation,
    DeliverySummary,
    District,
    FilterCriterion,
    MessageType,
    Node,
    OutcomeCount,
    PageInfo,
    ReportOptions,
    School,
    Sender,
    SenderRecord,
    WaitReason,
    sender_of,
)


def student_of(id: int | None, name: str | None) -> StudentRecord | None:
    """The student; None without an id."""
    return None if id is None else StudentRecord(id, None, name or "")


@describes(StudentRecord)
class Student(Node):
    """A student about whom messages were sent."""

    id: strawberry.ID = pure(speller(Kind.STUDENT), "id")
    external_id: str = bound(
        persons.external_id_of_student,
        reads=["id"],
        description="The id under which the sending system knows the student.",
    )
    name: str
    contacts: list["Person"] = bound(
        persons.contacts_of_student,
        reads=["id"],
        description=(
            "People who were sent messages about this student, latest first. Nothing else is known of who is whose guardian."
        ),
    )
    recipients: "PersonRecipientConnection" = bound(
        persons.recipients_of_student, reads=["id"], description="Newest first."
    )


@describes(PersonRecord)
class Person(Node):
    """A person to whom messages were sent."""

    id: strawberry.ID = pure(speller(Kind.PERSON), "id")
    external_id: str = plain(description="The id under which the sending system knows the person.")
    name: str
    students: list[Student] = bound(
        persons.students_of_contact,
        reads=["id"],
        description="Students about whom this person was sent messages, latest first.",
    )
    addresses: list["Address"] = bound(
        addresses.of_person,
        reads=["id"],
        description="Every address that messages to this person went to, last used first.",
    )
    recipients: "PersonRecipientConnection" = bound(
        persons.recipients_of_contact, reads=["id"], description="Newest first."
    )


@describes(AddressRecord)
class Address(Node):
    """An e-mail address, phone number or portal account."""

    id: strawberry.ID = pure(speller(Kind.ADDRESS), "id")
    kind: AddressKind
    value: str
    people: list[Person] = bound(
        addresses.people_of, reads=["id"], description="Everybody whose messages went to it."
    )
    last_used_at: datetime | None = bound(addresses.last_used_at, reads=["id"])
    last_reached_at: datetime | None = bound(addresses.last_reached_at, reads=["id"])
    last_failed_at: datetime | None
    failures: int = plain(description="Failures since it was last reached.")
    opted_out_at: datetime | None = plain(description="Null: texts may be sent.")
    problem: "ContactProblem | None" = bound(addresses.problem_of, reads=["id"])


@describes(ProblemRecord)
class ContactProblem:
    """An address that needs somebody's attention. It ends when the address is reached."""

    address: Address = bound(problems.address_of)
    kind: ProblemKind
    since: datetime
    failures: int
    reason: str = plain(description="The last failure, as the provider said it.")
    advice: str = plain(description="What somebody in the office should do, in words.")
    last_delivery: Delivery | None = bound(problems.last_delivery_of)
    resolved_at: datetime | None = pure(
        lambda problem: None if problem.is_open else problem.closed_at,
        description="Null: open. It opens again with the next failure after this.",
    )
    resolved_by: Sender | None = pure(
        lambda problem: (
            None if problem.is_open else sender_of(problem.closed_by_id, problem.closed_by_name)
        )
    )
    note: str | None = pure(lambda problem: None if problem.is_open else problem.note)


PersonOrStudent = Annotated[
    Person | Student,
    strawberry.union("PersonOrStudent", description="A person or a student."),
]


@describes(RecipientRecord)
class Recipient(Node):
    """One person, for one student where the message was sent for each student."""

    id: strawberry.ID = pure(speller(Kind.RECIPIENT), "message_id", "number")
    person: Person = bound(persons.person_of, reads=["person_id"])
    name: str
    student: Student | None = pure(student_of, "student_id", "student_name")
    contacted_by_phone: bool
    deliveries: list[Delivery] = bound(deliveries.of_recipient, reads=["message_id", "number"])


@describes(Edge)
class RecipientEdge:
    """A recipient and its cursor."""

    cursor: str
    node: Recipient


@describes(recipients.RecipientListing)
class RecipientConnection:
    """A page of the recipients of a message."""

    edges: list[RecipientEdge]
    nodes: list[Recipient]
    page_info: PageInfo
    total_count: int = bound(recipients.total_of_message, reads=())


@describes(Edge)
class DeliveryEdge:
    """A delivery and its cursor."""

    cursor: str
    node: Delivery
    recipient: Recipient = bound(deliveries.recipient_of_edge)


@describes(deliveries.DeliveryListing)
class DeliveryConnection:
    """A page of deliveries."""

    edges: list[DeliveryEdge]
    nodes: list[Delivery]
    page_info: PageInfo
    total_count: int = bound(deliveries.total_of_message, reads=())


@describes(MessageRecord)
class Message(Node):
    """A message, as it was sent to all its recipients."""

    id: strawberry.ID = pure(speller(Kind.MESSAGE), "id")
    external_id: str = plain(description="The id under which the sending system knows it.")
    status: MessageStatus
    status_label: str = pure(
        MESSAGE_STATUS_LABELS.__getitem__,
        "status",
        description='As the log shows it: "In-Progress", "Canceled IP".',
    )
    type: MessageType = pure(TypeRecord, "type_code", "type_label")
    category: str | None = plain(
        description=(
            'The kind of notice within its type, as in "General Notification"; null where the sending system names none.'
        )
    )
    school: School | None = bound(
        messages.school_of, reads=["school_id"], description="Null: sent for the whole district."
    )
    origin_label: str = bound(
        labels.origin_label,
        reads=["school_id"],
        description=(
            "The school's name, or the district's where it was sent for the whole district: the District/School column."
        ),
    )
    district: District = bound(directory.district, reads=())
    subject: str
    sender: Sender = pure(SenderRecord, "sender_id", "sender_name")
    created_at: datetime
    created_text: str = bound(
        labels.created_text,
        reads=["created_at"],
        description=(
            'As the log shows it, in the district\'s time: "01/31/2020 3:00 PM". What `createdText` searches.'
        ),
    )
    scheduled_at: datetime
    scheduled_text: str = bound(labels.scheduled_text, reads=["scheduled_at"])
    schedule_id: str | None
    delivery_modes: list[DeliveryMode] = plain(
        description="The ways of delivery chosen for this message."
    )

    delivery_summary: DeliverySummary = bound(summary.of_message)
    cancellation: Cancellation | None = bound(
        messages.cancellation,
        reads=["id"],
        description="Null unless somebody, or the system, canceled it.",
    )
    filter_criteria: list[FilterCriterion] = bound(messages.filter_criteria, reads=["id"])
    reply_to: str | None = bound(messages.reply_to, reads=["id"])
    body: str = bound(
        messages.body,
        reads=["id"],
        description="What the inbox and the email said; the other modes too, unless the next two say otherwise.",
    )
    body_format: BodyFormat = bound(messages.body_format, reads=["id"])
    text_body: str | None = bound(messages.text_body, reads=["id"])
    voice_script: str | None = bound(messages.voice_script, reads=["id"])

    recipients: RecipientConnection = bound(
        recipients.of_message, reads=["id"], description="By name, then student."
    )
    deliveries: DeliveryConnection = bound(deliveries.of_message, reads=["id"])

    revision: int = plain(
        description="Grows by one with each change that a client can see; lets a subscriber notice a gap."
    )
    purged_at: datetime | None = plain(
        description=(
            "When its recipients and what it said were removed, since their time was over. The figures stay, "
            "the lists are empty. Null: it is whole."
        )
    )
    viewer_can_cancel: bool = bound(permissions.viewer_can_cancel, reads=["status"])
    viewer_can_refresh: bool = bound(
        permissions.viewer_can_refresh, reads=["id", "is_recorded", "purged_at"]
    )
    viewer_can_resend: bool = bound(
        permissions.viewer_can_resend, reads=["id", "status", "is_recorded", "purged_at"]
    )
    outcomes: list[OutcomeCount] = bound(
        outcomes.outcomes,
        reads=["id", "purged_at"],
        description=(
            "How many recipients have each outcome, by the rules of `recipients(outcome:)`. Empty for a purged message."
        ),
    )
    waits_for: list[WaitReason] = bound(
        waits.waits_for,
        reads=["id", "status", "scheduled_at", "is_recorded", "purged_at"],
        description=(
            "Why something still waits; empty where nothing does, or where it is about to be handed over."
        ),
    )
    report_options: ReportOptions = pure(
        reports.options,
        "status",
        "delivery_modes",
        "purged_at",
        description="Which report options this message allows now.",
    )
    reports: "ReportConnection" = bound(reports.of_message, description="Newest first.")


@describes(Edge)
class PersonRecipientEdge:
    """A message that a person was sent, or that is about a student, and its cursor."""

    cursor: str
    node: Recipient
    message: Message = bound(recipients.message_of_edge)


@describes(persons.PersonListing)
class PersonRecipientConnection:
    """A page of the messages that one person was sent, or that are about one student."""

    edges: list[PersonRecipientEdge]
    nodes: list[Recipient]
    page_info: PageInfo
    total_count: int = bound(persons.total_of_person, reads=())


@describes(ReportRecord)
class Report(Node):
    """A report, as a file to download."""

    id: strawberry.ID = pure(speller(Kind.REPORT), "id")
    kind: ReportKind = pure(kind_of, "subject")
    message: Message | None = bound(
        reports.message_of, reads=["message_id"], description="The message of a MESSAGE report."
    )
    about: PersonOrStudent | None = bound(
        reports.about, reads=["subject"], description="The person or student of a FAMILY report."
    )
    devices: list[ReportDevice]
    detail: ReportDetail
    format: ReportFormat
    status: ReportStatus
    progress_percent: int = plain(description="0 to 100.")
    requested_by: Sender = pure(SenderRecord, "requested_by_id", "requested_by_name")
    requested_at: datetime
    as_of: datetime | None = plain(description="The moment whose state it shows.")
    file_name: str
    row_count: int | None
    byte_size: int | None
    sha256: str | None
    download_url: str = bound(
        reports.download_url,
        description=(
            "Signed, good until `expiresAt`, renewed at each read, usable at once: until the file is ready it answers "
            "202 with Retry-After. The viewer's rights are checked again at download. A path on this server."
        ),
    )
    expires_at: datetime
    failure: str | None = plain(description="Why it failed, in words for a person.")


@describes(Edge)
class ReportEdge:
    """A report and its cursor."""

    cursor: str
    node: Report


@describes(reports.ReportListing)
class ReportConnection:
    """A page of the reports on a message."""

    edges: list[ReportEdge]
    nodes: list[Report]
    page_info: PageInfo
    total_count: int = bound(reports.total_of_message, reads=())
