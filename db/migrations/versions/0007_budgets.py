"""How much each viewer may still ask for.

On PostgreSQL the table is unlogged: after a crash everybody begins with all they may ask for, and no operation waits for
the disk.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from db.sql.column_types import Instant

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "budget",
        sa.Column("viewer", sa.String(), nullable=False),
        sa.Column("empty_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("viewer", name=op.f("pk_budget")),
        prefixes=["UNLOGGED"] if op.get_bind().dialect.name == "postgresql" else [],
    )
