"""Addresses that failed, and the code of a failure and the time of a complaint of a delivery."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from db.sql.column_types import Instant

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WIDE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_HAS_PROBLEM = sa.text("kind IS NOT NULL")


def upgrade() -> None:
    op.add_column("delivery", sa.Column("failure", sa.String(length=24), nullable=True))
    op.add_column("delivery", sa.Column("complained_at", Instant(), nullable=True))
    op.create_table(
        "address_failures",
        sa.Column("address_id", _WIDE, autoincrement=False, nullable=False),
        sa.Column("district_id", sa.Integer(), nullable=False),
        sa.Column("last_reached_at", Instant(), nullable=True),
        sa.Column("last_failed_at", Instant(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("run_since", Instant(), nullable=True),
        sa.Column("in_several", sa.Boolean(), nullable=False),
        sa.Column("run_kind", sa.String(length=24), nullable=True),
        sa.Column("run_kind_since", Instant(), nullable=True),
        sa.Column("complained_at", Instant(), nullable=True),
        sa.Column("last_message_id", _WIDE, nullable=True),
        sa.Column("last_recipient_number", sa.Integer(), nullable=True),
        sa.Column("last_number", sa.SmallInteger(), nullable=True),
        sa.Column("kind", sa.String(length=24), nullable=True),
        sa.Column("since", Instant(), nullable=True),
        sa.Column("latest_at", Instant(), nullable=True),
        sa.Column("resolved_at", Instant(), nullable=True),
        sa.Column("resolved_by_id", sa.String(), nullable=True),
        sa.Column("resolved_by_name", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"]),
        sa.ForeignKeyConstraint(["district_id"], ["district.id"]),
        sa.PrimaryKeyConstraint("address_id"),
    )
    op.create_index(
        "address_with_problem",
        "address_failures",
        ["district_id", "failures", "latest_at", "address_id"],
        sqlite_where=_HAS_PROBLEM,
        postgresql_where=_HAS_PROBLEM,
    )
