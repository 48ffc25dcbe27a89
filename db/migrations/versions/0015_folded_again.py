"""How far a backfill is within rows that share an id: the keys of texts are folded again (`db.migrations.refolded_texts`)."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "backfill",
        sa.Column("done_within", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
