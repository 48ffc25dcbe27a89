"""What hands messages over: claims and leases, pace, seals, opt-outs, and what is due."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "pace",
        sa.Column("gateway", sa.String(length=24), nullable=False),
        sa.Column("free_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("gateway"),
    )
    op.create_table(
        "seal",
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token"),
    )
    op.add_column("address", sa.Column("opted_out_at", sa.DateTime(timezone=True), nullable=True))

    op.add_column("delivery", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("delivery", sa.Column("first_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("delivery", sa.Column("claim", sa.String(length=32), nullable=True))
    op.add_column("delivery", sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("delivery", sa.Column("handed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("delivery", sa.Column("gateway", sa.String(length=24), nullable=True))
    op.add_column("delivery", sa.Column("reference", sa.String(), nullable=True))
    op.create_index(
        "delivery_claimed",
        "delivery",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("claim IS NOT NULL"),
        postgresql_where=sa.text("claim IS NOT NULL"),
    )
    op.create_index(
        "delivery_referred",
        "delivery",
        ["gateway", "reference"],
        unique=False,
        sqlite_where=sa.text("reference IS NOT NULL"),
        postgresql_where=sa.text("reference IS NOT NULL"),
    )

    op.add_column(
        "message", sa.Column("has_open", sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    op.add_column("message", sa.Column("overdue_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("message", sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "message_to_begin",
        "message",
        ["scheduled_at"],
        unique=False,
        sqlite_where=sa.text("status = 'WAITING' AND NOT is_recorded"),
        postgresql_where=sa.text("status = 'WAITING' AND NOT is_recorded"),
    )
    op.create_index(
        "message_under_way",
        "message",
        ["id"],
        unique=False,
        sqlite_where=sa.text(
            "status IN ('IN_PROGRESS', 'ERROR', 'CANCELED', 'CANCELED_IN_PROGRESS') AND has_open AND NOT is_recorded"
        ),
        postgresql_where=sa.text(
            "status IN ('IN_PROGRESS', 'ERROR', 'CANCELED', 'CANCELED_IN_PROGRESS') AND has_open AND NOT is_recorded"
        ),
    )
