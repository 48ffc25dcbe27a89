"""Reports on people and on the worklist: a report may have no message, and has a subject instead."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("report") as report:
        report.add_column(sa.Column("subject", sa.String(), nullable=True))
        report.add_column(sa.Column("content_state", sa.String(), nullable=True))
        report.alter_column("message_id", existing_type=sa.BigInteger(), nullable=True)
    op.execute("UPDATE report SET content_state = CAST(message_revision AS VARCHAR)")
    with op.batch_alter_table("report") as report:
        report.drop_column("message_revision")
    on_people = sa.text("message_id IS NULL AND status <> 'EXPIRED'")
    op.create_index(
        "report_on_people",
        "report",
        ["district_id"],
        sqlite_where=on_people,
        postgresql_where=on_people,
    )
