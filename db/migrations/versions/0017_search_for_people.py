"""What finds people by name and by id: the names in their order, and the ids in lower case."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from db.sql.column_types import KeyText

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("person_name_by_key", "person_name", ["key", "person_id"])
    # SQLite adds no stored column to a table; the index stores the values.
    is_stored = op.get_bind().dialect.name == "postgresql"
    lower = sa.Computed("lower(external_id)", persisted=is_stored)
    op.add_column("person", sa.Column("external_key", KeyText, lower, nullable=True))
    has_capitals = sa.text("lower(external_id) <> external_id")
    op.create_index(
        "person_by_lower_id",
        "person",
        ["district_id", "external_key"],
        sqlite_where=has_capitals,
        postgresql_where=has_capitals,
    )
