"""Messages whose recipients were removed, and what finds an entry of the audit by each of its filters, the newest first."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from db.sql.column_types import Instant

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WIDE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

FILTERS = {
    "audit_of_time": (),
    "audit_of_viewer": ("viewer_id",),
    "audit_of_action": ("action",),
    "audit_of_subject": ("subject",),
}


def upgrade() -> None:
    op.add_column("message", sa.Column("purged_at", Instant(), nullable=True))
    op.create_table(
        "purge",
        sa.Column("message_id", _WIDE, nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"]),
        sa.PrimaryKeyConstraint("message_id"),
    )
    for name, columns in FILTERS.items():
        op.create_index(name, "audit", ["district_id", *columns, "at", "id"], unique=False)
    op.drop_index("audit_of_district", "audit")
