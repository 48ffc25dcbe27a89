"""Reports that were asked for, and the secret by which links to them are signed."""

import secrets
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WIDE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "report",
        sa.Column("id", _WIDE, nullable=False),
        sa.Column("message_id", _WIDE, nullable=False),
        sa.Column("district_id", sa.Integer(), nullable=False),
        sa.Column("devices", sa.String(length=48), nullable=False),
        sa.Column("detail", sa.String(length=24), nullable=False),
        sa.Column("format", sa.String(length=24), nullable=False),
        sa.Column("is_masked", sa.Boolean(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("progress_percent", sa.SmallInteger(), nullable=False),
        sa.Column("requested_by_id", sa.String(), nullable=False),
        sa.Column("requested_by_name", sa.String(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("file_key", sa.String(), nullable=True),
        sa.Column("row_count", sa.Integer(), nullable=True),
        sa.Column("byte_size", _WIDE, nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("failure", sa.String(), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claim", sa.String(length=32), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"]),
        sa.ForeignKeyConstraint(["district_id"], ["district.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "report_of_message", "report", ["message_id", "requested_at", "id"], unique=False
    )
    op.create_index(
        "report_to_make",
        "report",
        ["id"],
        unique=False,
        sqlite_where=sa.text("status IN ('QUEUED', 'RENDERING')"),
        postgresql_where=sa.text("status IN ('QUEUED', 'RENDERING')"),
    )
    op.create_index(
        "report_to_expire",
        "report",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("status <> 'EXPIRED'"),
        postgresql_where=sa.text("status <> 'EXPIRED'"),
    )
    secret = op.create_table(
        "secret",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    # Made here, once: processes that each made one at their start would not agree.
    op.bulk_insert(secret, [{"name": "links to reports", "value": secrets.token_bytes(32)}])
