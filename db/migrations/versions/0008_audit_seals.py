"""The chain that seals the audit; and on SQLite no row of the audit is replaced by another of its id."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from db.sql.column_types import Instant

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WIDE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit_seal",
        sa.Column("number", _WIDE, autoincrement=False, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("first_id", _WIDE, nullable=False),
        sa.Column("last_id", _WIDE, nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER audit_seal_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seal "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()"
        )
        return
    refusal = "BEGIN SELECT RAISE(ABORT, 'the audit only grows'); END"
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_seal_keeps_{event.lower()} BEFORE {event} ON audit_seal {refusal}"
        )
    # INSERT OR REPLACE removes what it replaces without a trigger for DELETE. A second seal of one number is no fault:
    # two may seal at once.
    for table, key, then in (
        ("audit", "id", "ABORT, 'the audit only grows'"),
        ("audit_seal", "number", "IGNORE"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_keeps_place BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = new.{key}) "
            f"BEGIN SELECT RAISE({then}); END"
        )
