"""How many sendings of a delivery nobody can tell of whether they arrived: an e-mail goes three times at most."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "delivery",
        sa.Column("copies", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
    )
