"""The tables. What each column means is said here, once; statements are elsewhere, and in
`db.tables.operations` what is kept beside the log.

No `Relationship()`: a relation is a dataloader. Ids that other systems gave are `external_id`; ours are numbers.
"""

from datetime import datetime, time
from typing import Final, TypedDict

from sqlalchemy import (
    Computed,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    TextClause,
    UniqueConstraint,
    text,
    true,
)
from sqlmodel import Field, SQLModel

from db.sql.column_types import (
    BigInt,
    CriterionList,
    Instant,
    KeyText,
    ModeList,
    SmallInt,
    by_value,
    table_of,
)
from domain.addresses import AddressKind
from domain.message import BodyFormat, Criterion, Source
from domain.people import Role
from domain.status import DeliveryMode, DeliveryStatus, EventSource, MessageStatus

STATUS_RANK = " ".join(f"WHEN '{status}' THEN {rank}" for rank, status in enumerate(MessageStatus))
OPEN_DELIVERY = text("status IN ('PENDING', 'IN_PROGRESS')")
TO_BEGIN = text("status = 'WAITING' AND NOT is_recorded")
UNDER_WAY = text(
    "status IN ('IN_PROGRESS', 'ERROR', 'CANCELED', 'CANCELED_IN_PROGRESS') AND has_open AND NOT is_recorded"
)
CLAIMED = text("claim IS NOT NULL")
REFERRED = text("reference IS NOT NULL")
TO_POLL = text("status = 'IN_PROGRESS' AND due_at IS NOT NULL")
NEVER_SENT = text("status = 'FAILED' AND attempts = 0")
"""What failed because its address cannot be read."""


def up(column: str) -> Computed:
    """The values of `column`, to be sorted ascending, with the absent ones last."""
    return Computed(f"coalesce('0' || {column}, '1')", persisted=True)


def down(column: str) -> Computed:
    """The values of `column`, to be sorted descending, with the absent ones last."""
    return Computed(f"coalesce('1' || {column}, '0')", persisted=True)


class _Where(TypedDict):
    sqlite_where: TextClause
    postgresql_where: TextClause


def where(condition: TextClause) -> _Where:
    """The arguments of an index that has only the rows of which `condition` holds."""
    return {"sqlite_where": condition, "postgresql_where": condition}


class District(SQLModel, table=True):
    """A school district: the outer wall of everything that a viewer sees."""

    id: int | None = Field(default=None, primary_key=True)
    external_id: str = Field(unique=True)
    name: str
    time_zone: str
    has_voice: bool
    call_from: time | None = None
    """Voice calls are placed between these two, on the district's wall clock; null: at any time."""
    call_until: time | None = None
    country: str = Field(default="US", max_length=2, sa_column_kwargs={"server_default": "US"})
    """ISO 3166 alpha-2: for which the phone numbers of its messages are read."""


class School(SQLModel, table=True):
    """A school of a district."""

    __table_args__ = (UniqueConstraint("district_id", "external_id"),)

    id: int | None = Field(default=None, primary_key=True)
    district_id: int = Field(foreign_key="district.id")
    external_id: str
    name: str
    key: str = Field(sa_type=KeyText)


class Message(SQLModel, table=True):
    """A message: what a row of the log shows, and what it is searched and sorted by.

    The columns that end in `_key` or `_text` are folded (`domain.search`).
    """

    __table_args__ = (
        UniqueConstraint("district_id", "external_id"),
        # Each column sorts the log, and ties end by id.
        # `visible_from` answers a count of some days from the first alone. `created_at` lets the second pass over messages
        # of other days without reading them: what is sorted by its time of sending stands in nearly the same order.
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
        # What a column's drop-down chooses, within days.
        Index("message_of_status", "district_id", "status", "created_at"),
        Index("message_of_type", "district_id", "type_code", "created_at"),
        Index("message_of_school", "district_id", "school_id", "created_at"),
        Index("message_of_sender", "district_id", "sender_id", "created_at"),
        Index("message_to_begin", "scheduled_at", **where(TO_BEGIN)),
        Index("message_under_way", "id", **where(UNDER_WAY)),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    district_id: int = Field(foreign_key="district.id")
    external_id: str
    school_id: int | None = Field(default=None, foreign_key="school.id")
    """Null: sent for the whole district."""
    visible_from: datetime = Field(sa_type=Instant)
    """The scheduled time where a scheduler made it; otherwise the beginning of time."""
    status: MessageStatus = Field(sa_type=by_value(MessageStatus))
    status_rank: int | None = Field(
        default=None,
        sa_type=SmallInteger,
        sa_column_args=(Computed(f"CASE status {STATUS_RANK} END", persisted=True),),
    )
    type_code: str
    type_label: str
    type_key: str = Field(sa_type=KeyText)
    category: str | None = None  # null: the sending system names none
    school_key: str | None = Field(default=None, sa_type=KeyText)
    school_up: str | None = Field(default=None, sa_type=KeyText, sa_column_args=(up("school_key"),))
    """What the log sorts by, ascending and descending: absent values stand last in both, which no index of nulls gives."""
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
    """History from elsewhere: never dispatched."""
    people: int
    """People in the recipient list; the next two are those of them without any delivery, and those contacted by phone."""
    people_without_device: int
    people_contacted: int
    revision: int
    """Grows by one with each change that a client can see."""
    has_open: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    """Some delivery has not got its outcome; what is settled is not looked at by any sweep."""
    overdue_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the provider has had its time to say how the last call or text went; null while none was handed over."""
    refreshed_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the providers were last asked for it."""
    purged_at: datetime | None = Field(default=None, sa_type=Instant)
    """When its recipients and what it said began to be removed; its figures stay. Null: it is whole."""


class Content(SQLModel, table=True):
    """What a message says: apart from its row, so that a page of the log does not read bodies."""

    message_id: int = Field(primary_key=True, foreign_key="message.id", sa_type=BigInt)
    body: str = Field(sa_type=Text)
    body_format: BodyFormat = Field(sa_type=by_value(BodyFormat))
    text_body: str | None = Field(default=None, sa_type=Text)
    voice_script: str | None = Field(default=None, sa_type=Text)
    reply_to: str | None = None
    filter_criteria: tuple[Criterion, ...] = Field(sa_type=CriterionList)
    digest: bytes = Field(sa_type=LargeBinary)
    """SHA-256 over the lines it came in: tells the same message sent again from another one under its id. A purge leaves it, so
    that what was removed does not come in again."""


class Person(SQLModel, table=True):
    """Somebody to whom, or about whom, messages were sent."""

    __table_args__ = (UniqueConstraint("district_id", "role", "external_id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    district_id: int = Field(foreign_key="district.id")
    role: Role = Field(sa_type=by_value(Role))
    external_id: str
    name: str
    """As it came last."""


class PersonName(SQLModel, table=True):
    """A name under which a person ever came, folded: where a search by name begins."""

    __tablename__ = "person_name"
    __table_args__ = (UniqueConstraint("person_id", "key"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    person_id: int = Field(foreign_key="person.id", sa_type=BigInt)
    key: str = Field(sa_type=KeyText)


class Address(SQLModel, table=True):
    """An e-mail address, phone number or portal account: where a search by address begins."""

    __table_args__ = (UniqueConstraint("district_id", "kind", "key"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    district_id: int = Field(foreign_key="district.id")
    kind: AddressKind = Field(sa_type=by_value(AddressKind))
    key: str = Field(sa_type=KeyText)
    opted_out_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the person behind it asked for no more text messages."""
    is_readable: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    """False: it cannot be read (`domain.addresses.unreadable`), and nothing is ever sent to it."""
    same_as: int | None = Field(default=None, sa_type=BigInt)
    """The address that this one was found to be, where deliveries of one message went to both. Null: it is itself.

    New deliveries go to the other. No foreign key: as of `address`, PostgreSQL would look at each row that goes in.
    """


class Recipient(SQLModel, table=True):
    """One person in the recipient list of one message, for one student where it was sent for each student."""

    __table_args__ = (
        Index("recipient_by_name", "message_id", "key", "number"),
        Index("recipient_of_person", "person_id", "message_id"),
        Index("recipient_of_student", "student_id", "message_id"),
    )

    message_id: int = Field(primary_key=True, foreign_key="message.id", sa_type=BigInt)
    number: int = Field(primary_key=True)
    """Counts from 0 in the order in which the list came."""
    person_id: int = Field(foreign_key="person.id", sa_type=BigInt)
    name: str
    """As it was when the message was sent."""
    student_id: int | None = Field(default=None, foreign_key="person.id", sa_type=BigInt)
    student_name: str | None = None
    key: str = Field(sa_type=KeyText)
    """Name, line feed, student's name, folded: the order of the list, and what a search looks in."""
    is_repeat: bool
    """The same person stands earlier in this list: not a further one in the figures."""
    contacted: bool
    """One of the person's numbers was reached by this message: the same on all rows of the person."""


class Delivery(SQLModel, table=True):
    """One message to one address of one recipient."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["message_id", "recipient_number"], ["recipient.message_id", "recipient.number"]
        ),
        Index("delivery_to_address", "address_id", "message_id"),
        Index("delivery_open", "message_id", "chunk", **where(OPEN_DELIVERY)),
        Index("delivery_never_sent", "message_id", **where(NEVER_SENT)),
        Index("delivery_claimed", "lease_until", **where(CLAIMED)),
        Index("delivery_referred", "gateway", "reference", **where(REFERRED)),
        Index("delivery_to_poll", "due_at", **where(TO_POLL)),
    )

    message_id: int = Field(primary_key=True, sa_type=BigInt)
    recipient_number: int = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=SmallInt)
    """Counts from 0 among the deliveries of its recipient."""
    chunk: int
    """The piece of the message that is handed over together: kept, so that a change of its size leaves old rows be."""
    mode: DeliveryMode = Field(sa_type=by_value(DeliveryMode))
    address: str
    """As it is shown."""
    address_id: int = Field(foreign_key="address.id", sa_type=BigInt)
    is_duplicate: bool
    """The same mode and address stand earlier in this message: shown, never sent."""
    status: DeliveryStatus = Field(sa_type=by_value(DeliveryStatus))
    call_status: int | None = Field(default=None, sa_type=SmallInt)
    confirmed: bool
    """The person pressed 0."""
    at: datetime | None = Field(default=None, sa_type=Instant)
    """When the person got it, or when it last changed."""
    attempts: int = Field(sa_type=SmallInt)
    due_at: datetime | None = Field(default=None, sa_type=Instant)
    """Of a pending one: not to be tried before; null: at once. Of one in progress: when its provider is to be asked about it;
    null: the provider reports by itself."""
    first_at: datetime | None = Field(default=None, sa_type=Instant)
    """The first attempt."""
    claim: str | None = Field(default=None, max_length=32)
    """The token of whoever is handing it over; nobody else writes its outcome."""
    lease_until: datetime | None = Field(default=None, sa_type=Instant)
    """Until when the claim holds, by the clock of the database."""
    handed_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the last attempt passed the gate: from then on it may have left, before it surely had not."""
    gateway: str | None = Field(default=None, max_length=24)
    reference: str | None = None
    """The provider's name for it."""
    resends: int = Field(
        default=0, sa_type=SmallInt, sa_column_kwargs={"server_default": text("0")}
    )
    """How often it was sent again on demand: to the provider each time is something new."""
    copies: int = Field(default=0, sa_type=SmallInt, sa_column_kwargs={"server_default": text("0")})
    """Of how many of its sendings since then nobody can tell whether they arrived."""


class DeliveryEvent(SQLModel, table=True):
    """Something that happened to a delivery."""

    __tablename__ = "delivery_event"
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


class Tally(SQLModel, table=True):
    """How many deliveries of a message have these facts in common: changed in the transaction that changes the rows."""

    message_id: int = Field(primary_key=True, foreign_key="message.id", sa_type=BigInt)
    mode: DeliveryMode = Field(primary_key=True, sa_type=by_value(DeliveryMode))
    status: DeliveryStatus = Field(primary_key=True, sa_type=by_value(DeliveryStatus))
    call_status: int = Field(primary_key=True, sa_type=SmallInt)
    """`db.log.counters.NO_CODE` where the provider has reported none: a key has no nulls."""
    is_duplicate: bool = Field(primary_key=True)
    deliveries: int


class Span(SQLModel, table=True):
    """First hand-over and last outcome of one mode of one message."""

    message_id: int = Field(primary_key=True, foreign_key="message.id", sa_type=BigInt)
    mode: DeliveryMode = Field(primary_key=True, sa_type=by_value(DeliveryMode))
    started_at: datetime | None = Field(default=None, sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


class Cancellation(SQLModel, table=True):
    """Who stopped a message, when and why, and what that did."""

    message_id: int = Field(primary_key=True, foreign_key="message.id", sa_type=BigInt)
    requested_at: datetime = Field(sa_type=Instant)
    requested_by_id: str | None = None
    """Null: the system itself."""
    requested_by_name: str | None = None
    reason: str | None = None
    completed_at: datetime | None = Field(default=None, sa_type=Instant)
    stopped: int
    already_sent: int


# What the statements are written with: a model's own attributes are typed as the values, not as the columns.
DISTRICT: Final = table_of(District)
SCHOOL: Final = table_of(School)
MESSAGE: Final = table_of(Message)
CONTENT: Final = table_of(Content)
PERSON: Final = table_of(Person)
PERSON_NAME: Final = table_of(PersonName)
ADDRESS: Final = table_of(Address)
RECIPIENT: Final = table_of(Recipient)
DELIVERY: Final = table_of(Delivery)
DELIVERY_EVENT: Final = table_of(DeliveryEvent)
TALLY: Final = table_of(Tally)
SPAN: Final = table_of(Span)
CANCELLATION: Final = table_of(Cancellation)
