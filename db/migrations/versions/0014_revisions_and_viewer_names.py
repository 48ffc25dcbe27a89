"""The revision of the message for which a report was requested: a report of an earlier state answers no later request.

And the name of the viewer in the audit. Entries from before have none: the audit is append-only, and their seals stay valid.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("report", sa.Column("message_revision", sa.Integer(), nullable=True))
    op.add_column("audit", sa.Column("viewer_name", sa.String(), nullable=True))
