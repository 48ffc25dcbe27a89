"""Figures over many messages: counts of each message, and sums of days and months. A backfill counts the existing messages.

The tables have no rowids, because SQLite would store each key twice, and read a sum by two look-ups.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WIDE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "figure",
        sa.Column("message_id", _WIDE, nullable=False),
        sa.Column("mode", sa.String(length=24), nullable=False),
        sa.Column("gateway", sa.String(length=24), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("delay", sa.Integer(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"]),
        sa.PrimaryKeyConstraint("message_id", "mode", "gateway", "status", "delay"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "figure_change",
        sa.Column("message_id", _WIDE, nullable=False),
        sa.Column("district_id", sa.Integer(), nullable=False),
        sa.Column("day", _KEY, nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"]),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_index("figure_change_by_day", "figure_change", ["district_id", "day"])
    op.create_table(
        "figure_sum",
        *_key_of_sum(),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in (
                "deliveries",
                "delivered",
                "sent",
                "failed",
                "canceled",
                "opted_out",
                "messages",
                "messages_of_mode",
                "messages_of_gateway",
                "messages_of_all",
            )
        ),
        sa.PrimaryKeyConstraint(*(column.name for column in _key_of_sum())),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "figure_delay",
        *_key_of_sum(),
        sa.Column("delay", sa.Integer(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(*(column.name for column in _key_of_sum()), "delay"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE figure SET (fillfactor = 70)")


def _key_of_sum() -> list[sa.Column[object]]:
    return [
        sa.Column("district_id", sa.Integer(), nullable=False),
        sa.Column("span", sa.String(length=24), nullable=False),
        sa.Column("first_day", _KEY, nullable=False),
        sa.Column("school_id", sa.Integer(), nullable=False),
        sa.Column("type_code", sa.String(), nullable=False),
        sa.Column("mode", sa.String(length=24), nullable=False),
        sa.Column("gateway", sa.String(length=24), nullable=False),
    ]
