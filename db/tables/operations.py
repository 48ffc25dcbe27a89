"""The tables of what is kept beside the log: paces, seals, reports, secrets, the audit, purges under way, unmatched receipts.

As in `db.tables.log`, what each column means is said here, once; statements are elsewhere.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import Index, LargeBinary, text
from sqlmodel import Field, SQLModel

from db.sql.column_types import BigInt, DeviceList, Instant, SmallInt, by_value, table_of
from domain.receipts import Mismatch
from domain.report import ReportDetail, ReportDevice, ReportFormat, ReportStatus
from domain.status import DeliveryStatus

TO_MAKE = text("status IN ('QUEUED', 'RENDERING')")
TO_EXPIRE = text("status <> 'EXPIRED'")


class Pace(SQLModel, table=True):
    """How fast a provider may be used: one row for all processes on all machines."""

    gateway: str = Field(primary_key=True, max_length=24)
    free_at: datetime = Field(sa_type=Instant)
    """When the next hand-over may leave."""


class Seal(SQLModel, table=True):
    """A signature that was used: a callback that brings it again is a replay."""

    __table_args__ = (Index("seal_by_end", "until"),)

    token: str = Field(primary_key=True)
    until: datetime = Field(sa_type=Instant)


class Budget(SQLModel, table=True):
    """What a viewer has asked for and what has not leaked away yet."""

    viewer: str = Field(primary_key=True)
    """The district and the id of the viewer, as `server.graphql.rate_budget.key_of` spells them."""
    empty_at: datetime = Field(sa_type=Instant)
    """When all of it will have leaked away, if nothing more comes."""


class Report(SQLModel, table=True):
    """A report on a message that somebody asked for, and what became of it. The file itself is in a store."""

    __table_args__ = (
        Index("report_of_message", "message_id", "requested_at", "id"),
        Index("report_to_make", "id", sqlite_where=TO_MAKE, postgresql_where=TO_MAKE),
        Index("report_to_expire", "expires_at", sqlite_where=TO_EXPIRE, postgresql_where=TO_EXPIRE),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    message_id: int = Field(foreign_key="message.id", sa_type=BigInt)
    message_revision: int | None = None
    """The message's revision when the report was requested. Null: requested before migration 0014."""
    district_id: int = Field(foreign_key="district.id")
    devices: tuple[ReportDevice, ...] = Field(sa_type=DeviceList)
    detail: ReportDetail = Field(sa_type=by_value(ReportDetail))
    format: ReportFormat = Field(sa_type=by_value(ReportFormat))
    is_masked: bool
    """Who asked for it may not see recipients: names, addresses and bodies are masked in it."""
    time_zone: str
    """The zone in which it shows times."""
    status: ReportStatus = Field(sa_type=by_value(ReportStatus))
    progress_percent: int = Field(sa_type=SmallInt)
    requested_by_id: str
    requested_by_name: str
    requested_at: datetime = Field(sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant)
    as_of: datetime | None = Field(default=None, sa_type=Instant)
    """The moment whose state it shows."""
    file_name: str
    file_key: str | None = None
    """Under which the store has it."""
    row_count: int | None = None
    byte_size: int | None = Field(default=None, sa_type=BigInt)
    sha256: str | None = Field(default=None, max_length=64)
    failure: str | None = None
    attempts: int = Field(sa_type=SmallInt)
    due_at: datetime | None = Field(default=None, sa_type=Instant)
    """Not to be made before, by the clock of the database; null: at once."""
    claim: str | None = Field(default=None, max_length=32)
    """The token of whoever is making it; nobody else writes how that goes."""
    lease_until: datetime | None = Field(default=None, sa_type=Instant)
    """Until when the claim holds, by the clock of the database."""


class Secret(SQLModel, table=True):
    """What all processes of one log know, and nobody else may."""

    name: str = Field(primary_key=True)
    value: bytes = Field(sa_type=LargeBinary)


class Audit(SQLModel, table=True):
    """Who looked or acted: append-only, a trigger refuses anything else."""

    __table_args__ = (
        # Each filter of the trail finds its entries, the newest first.
        Index("audit_of_time", "district_id", "at", "id"),
        Index("audit_of_viewer", "district_id", "viewer_id", "at", "id"),
        Index("audit_of_action", "district_id", "action", "at", "id"),
        Index("audit_of_subject", "district_id", "subject", "at", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    at: datetime = Field(sa_type=Instant)
    district_id: int = Field(foreign_key="district.id")
    viewer_id: str
    action: str
    subject: str
    """The id, as clients have it, of what was looked at or acted on."""
    origin: str | None = None
    """The address from which the request came."""
    request_id: str | None = None
    messages: int | None = None
    """How many messages came in; null: another act."""
    viewer_name: str | None = None
    """As in the sign-in. Null: an operator at the machine, or written before migration 0014."""


class AuditSealRow(SQLModel, table=True):
    """A link of the chain over the audit (`domain.chain`): append-only as that is."""

    __tablename__ = "audit_seal"

    number: int = Field(primary_key=True, sa_type=BigInt, sa_column_kwargs={"autoincrement": False})
    """From 1, without gaps: of two who seal at once, the second finds it taken."""
    at: datetime = Field(sa_type=Instant)
    first_id: int = Field(sa_type=BigInt)
    last_id: int = Field(sa_type=BigInt)
    row_count: int
    previous: str = Field(max_length=64)
    hash: str = Field(max_length=64)


class Purge(SQLModel, table=True):
    """A message whose recipients are being removed: what a purge that broke off has left to do."""

    message_id: int = Field(primary_key=True, foreign_key="message.id", sa_type=BigInt)


class UnmatchedReceipt(SQLModel, table=True):
    """A receipt that belongs to no delivery: kept for a while, so that an administrator can find out why."""

    __tablename__ = "unmatched_receipt"
    __table_args__ = (Index("unmatched_receipt_by_time", "received_at"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    digest: str = Field(max_length=64, unique=True)
    """Of the gateway and all that the receipt says: a repetition is counted, not stored."""
    gateway: str = Field(max_length=24)
    reason: Mismatch = Field(sa_type=by_value(Mismatch))
    times: int
    """How often it came."""
    first_received_at: datetime = Field(sa_type=Instant)
    received_at: datetime = Field(sa_type=Instant)
    """When it came last."""
    at: datetime = Field(sa_type=Instant)
    """When it happened, as the provider says."""
    status: DeliveryStatus | None = Field(default=None, sa_type=by_value(DeliveryStatus))
    code: int | None = Field(default=None, sa_type=SmallInt)
    confirmed: bool
    detail: str | None = None
    delivery_key: str | None = None
    """Our name for the delivery, as the provider gave it."""
    reference: str | None = None
    address: str | None = None


class Backfill(SQLModel, table=True):
    """A change of rows that is made in pieces after a migration, and how far it is."""

    name: str = Field(primary_key=True, max_length=40)
    done_up_to: int = Field(sa_type=BigInt)
    """The greatest id that is done."""
    done_within: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    """Where several rows share an id: the greatest number among those of it that are done."""
    last: int = Field(sa_type=BigInt)
    """The greatest id that there was when it began, for its progress; rows that come later are done too."""
    finished_at: datetime | None = Field(default=None, sa_type=Instant)


PACE: Final = table_of(Pace)
SEAL: Final = table_of(Seal)
REPORT: Final = table_of(Report)
SECRET: Final = table_of(Secret)
AUDIT: Final = table_of(Audit)
AUDIT_SEAL: Final = table_of(AuditSealRow)
BUDGET: Final = table_of(Budget)
PURGE: Final = table_of(Purge)
UNMATCHED_RECEIPT: Final = table_of(UnmatchedReceipt)
BACKFILL: Final = table_of(Backfill)
