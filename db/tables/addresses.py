"""The table of addresses that failed, and what each column means."""

from datetime import datetime
from typing import Final

from sqlalchemy import Index, text
from sqlmodel import Field

from db.sql.column_types import BigInt, Instant, SmallInt, TableModel, by_value, table_of, where
from domain.delivery_failures import ProblemKind

HAS_PROBLEM: Final = text("kind IS NOT NULL")


class AddressFailuresTable(TableModel, table=True):
    """The state of an address that failed, complained or opted out. An address without a row never did.

    It follows from the deliveries of the address (`domain.contact_problems`) and changes in their transactions.
    """

    __tablename__ = "address_failures"
    __table_args__ = (
        # The worklist: most failures first, then the latest.
        Index(
            "address_with_problem",
            "district_id",
            "failures",
            "latest_at",
            "address_id",
            **where(HAS_PROBLEM),
        ),
    )

    address_id: int = Field(
        primary_key=True,
        foreign_key="address.id",
        sa_type=BigInt,
        sa_column_kwargs={"autoincrement": False},
    )
    district_id: int = Field(foreign_key="district.id")
    last_reached_at: datetime | None = Field(default=None, sa_type=Instant)
    last_failed_at: datetime | None = Field(default=None, sa_type=Instant)
    failures: int
    """The number of failures since it was last reached: the run."""
    run_since: datetime | None = Field(default=None, sa_type=Instant)
    """The first failure of the run."""
    in_several: bool
    """The failures of the run are of at least two messages."""
    run_kind: ProblemKind | None = Field(default=None, sa_type=by_value(ProblemKind))
    """The first of the kinds that failures of the run show by themselves."""
    run_kind_since: datetime | None = Field(default=None, sa_type=Instant)
    """The first failure of that kind."""
    complained_at: datetime | None = Field(default=None, sa_type=Instant)
    """When its owner last marked an email as spam."""
    last_message_id: int | None = Field(default=None, sa_type=BigInt)
    """The last delivery that failed: its message, recipient and number."""
    last_recipient_number: int | None = None
    last_number: int | None = Field(default=None, sa_type=SmallInt)
    kind: ProblemKind | None = Field(default=None, sa_type=by_value(ProblemKind))
    """The problem, resolved by hand or not; null: there is none."""
    since: datetime | None = Field(default=None, sa_type=Instant)
    latest_at: datetime | None = Field(default=None, sa_type=Instant)
    """The last failure, complaint or opt-out of the problem."""
    resolved_at: datetime | None = Field(default=None, sa_type=Instant)
    """When somebody resolved the problem; it is open again if `latest_at` is later."""
    resolved_by_id: str | None = None
    resolved_by_name: str | None = None
    note: str | None = None


ADDRESS_FAILURES: Final = table_of(AddressFailuresTable)
