"""The tables beside the log, and what each column means.

Provider rates, used signatures, viewer budgets, reports, secrets, the audit, purges, unmatched receipts and backfills.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import Index, LargeBinary, text
from sqlmodel import Field

from db.sql.column_types import (
    BigInt,
    DeviceList,
    Instant,
    SmallInt,
    TableModel,
    by_value,
    table_of,
)
from domain.receipts import Mismatch
from domain.report import ReportDetail, ReportDevice, ReportFormat, ReportStatus
from domain.status import DeliveryStatus

TO_MAKE = text("status IN ('QUEUED', 'RENDERING')")
TO_EXPIRE = text("status <> 'EXPIRED'")
ON_PEOPLE = text("message_id IS NULL AND status <> 'EXPIRED'")


class PaceTable(TableModel, table=True):
    """The rate limit of a provider: one row for all processes on all machines."""

    gateway: str = Field(primary_key=True, max_length=24)
    free_at: datetime = Field(sa_type=Instant)
    """When the next hand-over may leave."""


class SealTable(TableModel, table=True):
    """A used signature: another callback with it is a replay."""

    __table_args__ = (Index("seal_by_end", "until"),)

    token: str = Field(primary_key=True)
    until: datetime = Field(sa_type=Instant)


class BudgetTable(TableModel, table=True):
    """The used part of a viewer's rate budget, as a leaky bucket."""

    viewer: str = Field(primary_key=True)
    """The district and the id of the viewer, in the form of `server.graphql.rate_budget.key_of`."""
    empty_at: datetime = Field(sa_type=Instant)
    """When the bucket is empty, if the viewer uses nothing more."""


class ReportTable(TableModel, table=True):
    """A requested report, and its state. The file itself is in a store."""

    __table_args__ = (
        Index("report_of_message", "message_id", "requested_at", "id"),
        Index("report_to_make", "id", sqlite_where=TO_MAKE, postgresql_where=TO_MAKE),
        Index("report_to_expire", "expires_at", sqlite_where=TO_EXPIRE, postgresql_where=TO_EXPIRE),
        # A purge looks for them after each message.
        Index(
            "report_on_people", "district_id", sqlite_where=ON_PEOPLE, postgresql_where=ON_PEOPLE
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    message_id: int | None = Field(default=None, foreign_key="message.id", sa_type=BigInt)
    """The message of the report. Null: the report is about `subject`."""
    subject: str | None = None
    """The JSON of `db.reports.subjects`."""
    content_state: str | None = None
    """Differs after any change of what the report shows. Null: requested before migration 0014."""
    district_id: int = Field(foreign_key="district.id")
    devices: tuple[ReportDevice, ...] = Field(sa_type=DeviceList)
    detail: ReportDetail = Field(sa_type=by_value(ReportDetail))
    format: ReportFormat = Field(sa_type=by_value(ReportFormat))
    is_masked: bool
    """Names, addresses and bodies are masked in it, because its requester may not see recipients."""
    time_zone: str
    """The time zone of the times in it."""
    status: ReportStatus = Field(sa_type=by_value(ReportStatus))
    progress_percent: int = Field(sa_type=SmallInt)
    requested_by_id: str
    requested_by_name: str
    requested_at: datetime = Field(sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant)
    as_of: datetime | None = Field(default=None, sa_type=Instant)
    """The instant of its snapshot."""
    file_name: str
    file_key: str | None = None
    """The key of the file in the store."""
    row_count: int | None = None
    byte_size: int | None = Field(default=None, sa_type=BigInt)
    sha256: str | None = Field(default=None, max_length=64)
    failure: str | None = None
    attempts: int = Field(sa_type=SmallInt)
    due_at: datetime | None = Field(default=None, sa_type=Instant)
    """The earliest time of the next attempt, by the clock of the database; null: at once."""
    claim: str | None = Field(default=None, max_length=32)
    """The token of the process that is making it; no other writes its progress."""
    lease_until: datetime | None = Field(default=None, sa_type=Instant)
    """When the claim ends, by the clock of the database."""


class SecretTable(TableModel, table=True):
    """A secret that all processes of one log share."""

    name: str = Field(primary_key=True)
    value: bytes = Field(sa_type=LargeBinary)


class AuditTable(TableModel, table=True):
    """Who read or changed what: append-only, enforced by a trigger."""

    __table_args__ = (
        # One index per filter of the trail, for newest first.
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
    """The API id of the object that was read or changed."""
    origin: str | None = None
    """The IP address of the client."""
    request_id: str | None = None
    messages: int | None = None
    """The number of ingested messages; null for other actions."""
    viewer_name: str | None = None
    """The name from the sign-in. Null: an operator at the machine, or written before migration 0014."""


class AuditSealTable(TableModel, table=True):
    """A link of the hash chain over the audit (`domain.chain`): append-only too."""

    number: int = Field(primary_key=True, sa_type=BigInt, sa_column_kwargs={"autoincrement": False})
    """From 1, without gaps; if two processes seal at once, the primary key refuses the second."""
    at: datetime = Field(sa_type=Instant)
    first_id: int = Field(sa_type=BigInt)
    last_id: int = Field(sa_type=BigInt)
    row_count: int
    previous: str = Field(max_length=64)
    hash: str = Field(max_length=64)


class PurgeTable(TableModel, table=True):
    """A message whose recipients are being removed: the remaining work of an interrupted purge."""

    message_id: int = Field(primary_key=True, foreign_key="message.id", sa_type=BigInt)


class UnmatchedReceiptTable(TableModel, table=True):
    """A receipt that matches no delivery, kept for a while so that an administrator can find out why."""

    __table_args__ = (Index("unmatched_receipt_by_time", "received_at"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    digest: str = Field(max_length=64, unique=True)
    """A hash of the gateway and the receipt: a repeated receipt is counted, not stored again."""
    gateway: str = Field(max_length=24)
    reason: Mismatch = Field(sa_type=by_value(Mismatch))
    times: int
    """How often it was received."""
    first_received_at: datetime = Field(sa_type=Instant)
    received_at: datetime = Field(sa_type=Instant)
    """When it was last received."""
    at: datetime = Field(sa_type=Instant)
    """When it happened, according to the provider."""
    status: DeliveryStatus | None = Field(default=None, sa_type=by_value(DeliveryStatus))
    code: int | None = Field(default=None, sa_type=SmallInt)
    confirmed: bool
    detail: str | None = None
    delivery_key: str | None = None
    """Our key of the delivery, as the provider returned it."""
    reference: str | None = None
    address: str | None = None


class BackfillTable(TableModel, table=True):
    """A change of rows in small transactions after a migration, and its progress."""

    name: str = Field(primary_key=True, max_length=40)
    done_up_to: int = Field(sa_type=BigInt)
    """The greatest id that is done."""
    done_within: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    """If several rows share an id: the greatest number within it that is done."""
    last: int = Field(sa_type=BigInt)
    """The greatest id at its start, for the progress display; later rows are processed too."""
    finished_at: datetime | None = Field(default=None, sa_type=Instant)


PACE: Final = table_of(PaceTable)
SEAL: Final = table_of(SealTable)
REPORT: Final = table_of(ReportTable)
SECRET: Final = table_of(SecretTable)
AUDIT: Final = table_of(AuditTable)
AUDIT_SEAL: Final = table_of(AuditSealTable)
BUDGET: Final = table_of(BudgetTable)
PURGE: Final = table_of(PurgeTable)
UNMATCHED_RECEIPT: Final = table_of(UnmatchedReceiptTable)
BACKFILL: Final = table_of(BackfillTable)
