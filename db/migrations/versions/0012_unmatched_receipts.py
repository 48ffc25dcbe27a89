"""Receipts that belong to no delivery, and an index of the deliveries whose provider is to be asked."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from db.sql.column_types import Instant

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WIDE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TO_POLL = sa.text("status = 'IN_PROGRESS' AND due_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "unmatched_receipt",
        sa.Column("id", _WIDE, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("gateway", sa.String(length=24), nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_received_at", Instant(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=True),
        sa.Column("code", sa.SmallInteger(), nullable=True),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("delivery_key", sa.String(), nullable=True),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("address", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("unmatched_receipt_by_time", "unmatched_receipt", ["received_at"])
    op.create_index(
        "delivery_to_poll",
        "delivery",
        ["due_at"],
        sqlite_where=_TO_POLL,
        postgresql_where=_TO_POLL,
    )
