"""The tables of the log, and what each column means. `db.tables.operations` has the other tables.

No `Relationship()`: dataloaders read relations. Ids of other systems are `external_id`; ours are numbers.
"""

from datetime import datetime, time
from typing import Final

from sqlalchemy import (
    Computed,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlmodel import Field

from db.sql.column_types import (
    BigInt,
    CriterionList,
    Instant,
    KeyText,
    ModeList,
    SmallInt,
    TableModel,
    by_value,
    down,
    table_of,
    up,
    where,
)
from db.tables import conditions
from domain.message import BodyFormat, Criterion, Source
from domain.modes import AddressKind
from domain.people import Role
from domain.status import DeliveryMode, DeliveryStatus, EventSource, MessageStatus

STATUS_RANK = " ".join(f"WHEN '{status}' THEN {rank}" for rank, status in enumerate(MessageStatus))


class DistrictTable(TableModel, table=True):
    """A school district: a viewer sees only the data of its own."""

    id: int | None = Field(default=None, primary_key=True)
    external_id: str = Field(unique=True)
    name: str
    time_zone: str
    has_voice: bool
    call_from: time | None = None
    """Voice calls are placed between these two times of the district's time zone; null: at any time."""
    call_until: time | None = None
    country: str = Field(default="US", max_length=2, sa_column_kwargs={"server_default": "US"})
    """ISO 3166 alpha-2 code of the country for which phone numbers are parsed."""


class SchoolTable(TableModel, table=True):
    """A school of a district."""

    __table_args__ = (UniqueConstraint("district_id", "external_id"),)

    id: int | None = Field(default=None, primary_key=True)
    district_id: int = Field(foreign_key="district.id")
    external_id: str
    name: str
    key: str = Field(sa_type=KeyText)


class MessageTable(TableModel, table=True):
    """A message: the columns that the log shows, and those by which it is searched and sorted.

    The columns that end in `_key` or `_text` are folded (`domain.search`).
    """

    __table_args__ = (
        UniqueConstraint("district_id", "external_id"),
        # One index per column that sorts the log; ties are ordered by id.
        # `visible_from` makes the first a covering index for counts by days. `created_at` lets the second skip messages of
        # other days without reading them, because the order by scheduled time is nearly that by creation.
        Index("message_by_created", "district_id", "created_at", "id", "visible_from"),
        Index("message_by_scheduled", "district_id", "scheduled_at", "id", "created_at"),
        Index("message_by_status", "district_id", "status_rank", "id"),
        Index("message_by_type", "district_id", "type_key", "id"),
        Index("message_by_school", "district_id", "school_up", "id"),
        Index("message_by_school_down", "district_id", "school_down", "id"),
        Index("message_by_subject", "district_id", "subject_key", "id"),
        Index("message_by_sender", "district_id", "sender_key", "id"),
        Index("message_by_schedule", "district_id", "schedule_up", "id"),
        Index("message_by_schedule_down", "district_id", "schedule_down", "id"),
        # For the filters of the drop-downs, within days.
        Index("message_of_status", "district_id", "status", "created_at"),
        Index("message_of_type", "district_id", "type_code", "created_at"),
        Index("message_of_school", "district_id", "school_id", "created_at"),
        Index("message_of_sender", "district_id", "sender_id", "created_at"),
        Index("message_of_modes", "district_id", "modes", "created_at"),
        Index(
            "message_with_failures", "district_id", "created_at", **where(conditions.HAS_FAILURES)
        ),
        Index("message_to_begin", "scheduled_at", **where(conditions.TO_BEGIN)),
        Index("message_under_way", "id", **where(conditions.UNDER_WAY)),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    district_id: int = Field(foreign_key="district.id")
    external_id: str
    school_id: int | None = Field(default=None, foreign_key="school.id")
    """Null: sent for the whole district."""
    visible_from: datetime = Field(sa_type=Instant)
    """The scheduled time if a scheduler created the message; otherwise the earliest instant."""
    status: MessageStatus = Field(sa_type=by_value(MessageStatus))
    status_rank: int | None = Field(
        default=None,
        sa_type=SmallInteger,
        sa_column_args=(Computed(f"CASE status {STATUS_RANK} END", persisted=True),),
    )
    type_code: str
    type_label: str
    type_key: str = Field(sa_type=KeyText)
    category: str | None = None  # null: not given by the sending system
    school_key: str | None = Field(default=None, sa_type=KeyText)
    school_up: str | None = Field(default=None, sa_type=KeyText, sa_column_args=(up("school_key"),))
    """The sort keys of the log, ascending and descending: nulls are last in both, which no plain index provides."""
    school_down: str | None = Field(
        default=None, sa_type=KeyText, sa_column_args=(down("school_key"),)
    )
    subject: str
    subject_key: str = Field(sa_type=KeyText)
    sender_id: str
    sender_name: str
    sender_key: str = Field(sa_type=KeyText)
    created_at: datetime = Field(sa_type=Instant)
    created_text: str = Field(sa_type=KeyText)
    scheduled_at: datetime = Field(sa_type=Instant)
    scheduled_text: str = Field(sa_type=KeyText)
    schedule_id: str | None = None
    schedule_key: str | None = Field(default=None, sa_type=KeyText)
    schedule_up: str | None = Field(
        default=None, sa_type=KeyText, sa_column_args=(up("schedule_key"),)
    )
    schedule_down: str | None = Field(
        default=None, sa_type=KeyText, sa_column_args=(down("schedule_key"),)
    )
    source: Source = Field(sa_type=by_value(Source))
    modes: tuple[DeliveryMode, ...] = Field(sa_type=ModeList)
    is_recorded: bool
    """Imported history that another system sent: never dispatched."""
    people: int
    """The number of people in the recipient list."""
    people_without_device: int
    """The number of people without any delivery."""
    people_contacted: int
    """The number of people contacted by phone."""
    revision: int
    """Grows by one with each change that a client can see."""
    has_open: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    """Whether a delivery has no outcome yet; the scan for due work skips messages without one."""
    has_failures: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    """Whether a delivery that is no duplicate has failed, for searches; updated with the tallies."""
    overdue_at: datetime | None = Field(default=None, sa_type=Instant)
    """The provider's deadline for reporting the last call or text; null while none was handed over."""
    refreshed_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the providers were last polled for it."""
    purged_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the removal of its recipients and content began; its figures stay. Null: not purged."""


class ContentTable(TableModel, table=True):
    """The texts of a message, in a separate table so that a page of the log does not read bodies."""

    message_id: int = Field(primary_key=True, foreign_key="message.id", sa_type=BigInt)
    body: str = Field(sa_type=Text)
    body_format: BodyFormat = Field(sa_type=by_value(BodyFormat))
    text_body: str | None = Field(default=None, sa_type=Text)
    voice_script: str | None = Field(default=None, sa_type=Text)
    reply_to: str | None = None
    filter_criteria: tuple[Criterion, ...] = Field(sa_type=CriterionList)
    digest: bytes = Field(sa_type=LargeBinary)
    """SHA-256 over its lines, to recognize a repeated upload. A purge keeps it, so that the message is not ingested again."""
    words: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})
    """The folded words of the subject and the texts (`db.log.message_words`); a purge leaves those of the subject."""


class PersonTable(TableModel, table=True):
    """A person to whom, or about whom, messages were sent."""

    __table_args__ = (
        UniqueConstraint("district_id", "role", "external_id"),
        Index(
            "person_by_lower_id", "district_id", "external_key", **where(conditions.HAS_CAPITALS)
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    district_id: int = Field(foreign_key="district.id")
    role: Role = Field(sa_type=by_value(Role))
    external_id: str
    name: str
    """The name in the newest message."""
    external_key: str | None = Field(
        default=None,
        sa_type=KeyText,
        sa_column_args=(Computed("lower(external_id)", persisted=True),),
    )
    """The external id without the difference of case, for searches; indexed if it differs. SQLite stores it in the index alone."""


class PersonNameTable(TableModel, table=True):
    """A folded name of a person in any message, for searches by name."""

    __table_args__ = (
        UniqueConstraint("person_id", "key"),
        Index("person_name_by_key", "key", "person_id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    person_id: int = Field(foreign_key="person.id", sa_type=BigInt)
    key: str = Field(sa_type=KeyText)


class AddressTable(TableModel, table=True):
    """An e-mail address, phone number or portal account, for deliveries and searches by address."""

    __table_args__ = (UniqueConstraint("district_id", "kind", "key"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    district_id: int = Field(foreign_key="district.id")
    kind: AddressKind = Field(sa_type=by_value(AddressKind))
    key: str = Field(sa_type=KeyText)
    opted_out_at: datetime | None = Field(default=None, sa_type=Instant)
    """When its owner opted out of text messages."""
    is_readable: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    """False: it cannot be parsed (`domain.addresses.unreadable`), and nothing is ever sent to it."""
    same_as: int | None = Field(default=None, sa_type=BigInt)
    """The address of which this is another spelling, if deliveries of one message went to both. New deliveries use the other.

    No foreign key, because PostgreSQL would check each inserted row.
    """


class RecipientTable(TableModel, table=True):
    """One person in the recipient list of one message, for one student where it was sent for each student."""

    __table_args__ = (
        Index("recipient_by_name", "message_id", "key", "number"),
        Index("recipient_of_person", "person_id", "message_id"),
        Index("recipient_of_student", "student_id", "message_id"),
    )

    message_id: int = Field(primary_key=True, foreign_key="message.id", sa_type=BigInt)
    number: int = Field(primary_key=True)
    """Counts from 0 in the order of ingest."""
    person_id: int = Field(foreign_key="person.id", sa_type=BigInt)
    name: str
    """The name at the time of sending."""
    student_id: int | None = Field(default=None, foreign_key="person.id", sa_type=BigInt)
    student_name: str | None = None
    key: str = Field(sa_type=KeyText)
    """Name, line feed, student's name, folded: the sort key of the list, and the text that a search reads."""
    is_repeat: bool
    """The same person is earlier in this list; the figures count it once."""
    contacted: bool
    """This message reached one of the person's numbers; the same on all rows of the person."""


class DeliveryTable(TableModel, table=True):
    """One message to one address of one recipient."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["message_id", "recipient_number"], ["recipient.message_id", "recipient.number"]
        ),
        Index("delivery_to_address", "address_id", "message_id"),
        Index("delivery_open", "message_id", "chunk", **where(conditions.OPEN_DELIVERY)),
        Index("delivery_never_sent", "message_id", **where(conditions.NEVER_SENT)),
        Index("delivery_claimed", "lease_until", **where(conditions.CLAIMED)),
        Index("delivery_referred", "gateway", "reference", **where(conditions.REFERRED)),
        Index("delivery_to_poll", "due_at", **where(conditions.TO_POLL)),
    )

    message_id: int = Field(primary_key=True, sa_type=BigInt)
    recipient_number: int = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=SmallInt)
    """Counts from 0 among the deliveries of its recipient."""
    chunk: int
    """The part of the message that is handed over together; stored, so that a new chunk size does not affect old rows."""
    mode: DeliveryMode = Field(sa_type=by_value(DeliveryMode))
    address: str
    """The address as displayed."""
    address_id: int = Field(foreign_key="address.id", sa_type=BigInt)
    is_duplicate: bool
    """The same mode and address are earlier in this message: shown, never sent."""
    status: DeliveryStatus = Field(sa_type=by_value(DeliveryStatus))
    call_status: int | None = Field(default=None, sa_type=SmallInt)
    confirmed: bool
    """The person pressed 0."""
    at: datetime | None = Field(default=None, sa_type=Instant)
    """When it arrived, or when it last changed."""
    attempts: int = Field(sa_type=SmallInt)
    due_at: datetime | None = Field(default=None, sa_type=Instant)
    """If pending: the earliest time of the next attempt; null: at once. If in progress: when to poll the provider; null: the
    provider reports without a poll."""
    first_at: datetime | None = Field(default=None, sa_type=Instant)
    """The time of the first attempt."""
    claim: str | None = Field(default=None, max_length=32)
    """The token of the process that is handing it over; no other writes its outcome."""
    lease_until: datetime | None = Field(default=None, sa_type=Instant)
    """When the claim ends, by the clock of the database."""
    handed_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the last attempt passed the gate: after it, the delivery may have left; before it, it has not."""
    gateway: str | None = Field(default=None, max_length=24)
    reference: str | None = None
    """The provider's id for it."""
    resends: int = Field(
        default=0, sa_type=SmallInt, sa_column_kwargs={"server_default": text("0")}
    )
    """How often it was sent again on demand; each time has a new idempotency key at the provider."""
    copies: int = Field(default=0, sa_type=SmallInt, sa_column_kwargs={"server_default": text("0")})
    """The number of its sendings since then that may or may not have arrived."""
    failure: str | None = Field(default=None, max_length=24)
    """The provider's code of its failure (`domain.delivery_failures`); null: there is none, or the call status says all."""
    complained_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the receiver marked it as spam."""


class DeliveryEventTable(TableModel, table=True):
    """An event of a delivery."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["message_id", "recipient_number", "delivery_number"],
            ["delivery.message_id", "delivery.recipient_number", "delivery.number"],
        ),
        Index("event_of_delivery", "message_id", "recipient_number", "delivery_number", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    message_id: int = Field(sa_type=BigInt)
    recipient_number: int
    delivery_number: int = Field(sa_type=SmallInt)
    at: datetime = Field(sa_type=Instant)
    status: DeliveryStatus = Field(sa_type=by_value(DeliveryStatus))
    call_status: int | None = Field(default=None, sa_type=SmallInt)
    source: EventSource = Field(sa_type=by_value(EventSource))
    detail: str | None = None


class TallyTable(TableModel, table=True):
    """The number of deliveries of a message with the same facts, updated in the transaction that changes the rows."""

    message_id: int = Field(primary_key=True, foreign_key="message.id", sa_type=BigInt)
    mode: DeliveryMode = Field(primary_key=True, sa_type=by_value(DeliveryMode))
    status: DeliveryStatus = Field(primary_key=True, sa_type=by_value(DeliveryStatus))
    call_status: int = Field(primary_key=True, sa_type=SmallInt)
    """`db.log.counters.NO_CODE` if the provider has reported none, because a key has no nulls."""
    is_duplicate: bool = Field(primary_key=True)
    deliveries: int


class SpanTable(TableModel, table=True):
    """First hand-over and last outcome of one mode of one message."""

    message_id: int = Field(primary_key=True, foreign_key="message.id", sa_type=BigInt)
    mode: DeliveryMode = Field(primary_key=True, sa_type=by_value(DeliveryMode))
    started_at: datetime | None = Field(default=None, sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


class CancellationTable(TableModel, table=True):
    """Who canceled a message, when and why, and how many deliveries that stopped."""

    message_id: int = Field(primary_key=True, foreign_key="message.id", sa_type=BigInt)
    requested_at: datetime = Field(sa_type=Instant)
    requested_by_id: str | None = None
    """Null: the system itself."""
    requested_by_name: str | None = None
    reason: str | None = None
    completed_at: datetime | None = Field(default=None, sa_type=Instant)
    stopped: int
    already_sent: int


# Statements use these, because a model's attributes are typed as values, not as columns.
DISTRICT: Final = table_of(DistrictTable)
SCHOOL: Final = table_of(SchoolTable)
MESSAGE: Final = table_of(MessageTable)
CONTENT: Final = table_of(ContentTable)
PERSON: Final = table_of(PersonTable)
PERSON_NAME: Final = table_of(PersonNameTable)
ADDRESS: Final = table_of(AddressTable)
RECIPIENT: Final = table_of(RecipientTable)
DELIVERY: Final = table_of(DeliveryTable)
DELIVERY_EVENT: Final = table_of(DeliveryEventTable)
TALLY: Final = table_of(TallyTable)
SPAN: Final = table_of(SpanTable)
CANCELLATION: Final = table_of(CancellationTable)
