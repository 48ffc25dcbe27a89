"""What is sent again on demand, and when a used signature may be forgotten."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "delivery",
        sa.Column("resends", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.create_index("seal_by_end", "seal", ["until"], unique=False)
