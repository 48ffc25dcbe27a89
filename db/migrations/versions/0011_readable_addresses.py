"""Unreadable addresses and other spellings of an address, the country of phone numbers, and message counts in the audit.

A backfill parses the existing addresses again: `db.migrations.backfills`.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from db.sql.column_types import Instant

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WIDE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_NEVER_SENT = sa.text("status = 'FAILED' AND attempts = 0")


def upgrade() -> None:
    op.add_column(
        "district", sa.Column("country", sa.String(2), server_default="US", nullable=False)
    )
    op.add_column(
        "address", sa.Column("is_readable", sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    op.add_column("address", sa.Column("same_as", _WIDE, nullable=True))
    op.create_index(
        "delivery_never_sent",
        "delivery",
        ["message_id"],
        sqlite_where=_NEVER_SENT,
        postgresql_where=_NEVER_SENT,
    )
    op.create_table(
        "backfill",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("done_up_to", _WIDE, nullable=False),
        sa.Column("last", _WIDE, nullable=False),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.add_column("audit", sa.Column("messages", sa.Integer(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        let_deliveries_move()


def let_deliveries_move() -> None:
    """Allow a transaction with a setting and the lock of the ingest to change a delivery's address (see migration 0010)."""
    op.execute(
        """
        CREATE OR REPLACE FUNCTION refuse_other_key() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_TABLE_NAME = 'delivery' AND current_setting('sentlog.merges_addresses', true) = 'on' THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION '%: what a row is found by, and what it refers to, stays', TG_TABLE_NAME;
        END $$
        """
    )
