"""What procrastinate keeps its jobs in; on PostgreSQL only.

It applies the schema of the release that is installed. Jobs are hints, so a release with another schema needs no
migration of rows: a new revision drops what stands here and applies that one's.
"""

from collections.abc import Sequence

from alembic import op
from procrastinate.schema import SchemaManager

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            SchemaManager.get_schema(),
            # Several statements, with percent signs in them, are taken as they stand only so.
            execution_options={"no_parameters": True},
        )
