"""Saved searches of viewers, the workers that run, the health of providers, and searches by mode, failure and words.

The backfills `failures of messages` and `words of messages` fill in the messages from before.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from db.sql.column_types import Instant

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WIDE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_HAS_FAILURES = sa.text("has_failures")
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "saved_search",
        sa.Column("id", _WIDE, nullable=False),
        sa.Column("district_id", sa.Integer(), nullable=False),
        sa.Column("viewer_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("key", _KEY, nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["district_id"], ["district.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("district_id", "viewer_id", "key"),
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("last_seen_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "provider_health",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("is_up", sa.Boolean(), nullable=False),
        sa.Column("last_accepted_at", Instant(), nullable=True),
        sa.Column("last_failed_at", Instant(), nullable=True),
        sa.Column("last_failure", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("account"),
    )
    op.add_column(
        "message",
        sa.Column("has_failures", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_index("message_of_modes", "message", ["district_id", "modes", "created_at"])
    op.create_index(
        "message_with_failures",
        "message",
        ["district_id", "created_at"],
        sqlite_where=_HAS_FAILURES,
        postgresql_where=_HAS_FAILURES,
    )
    op.add_column("content", sa.Column("words", sa.Text(), server_default="", nullable=False))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE INDEX content_words ON content USING gin (string_to_array(btrim(words), ' '))"
        )
    else:
        _index_words_in_sqlite()


def _index_words_in_sqlite() -> None:
    """An FTS5 table beside the contents, kept by triggers. It needs no positions: phrases are compared with the text itself.

    The tokenizer divides at spaces and ASCII signs alone; words have none of these.
    """
    enter = "INSERT INTO content_words (rowid, words) VALUES (new.message_id, new.words);"
    leave = (
        "INSERT INTO content_words (content_words, rowid, words)"
        " VALUES ('delete', old.message_id, old.words);"
    )
    op.execute(
        "CREATE VIRTUAL TABLE content_words USING fts5 (words, content='content',"
        " content_rowid='message_id', tokenize='ascii', detail=none, columnsize=0)"
    )
    op.execute("INSERT INTO content_words (content_words) VALUES ('rebuild')")
    op.execute(f"CREATE TRIGGER content_words_enter AFTER INSERT ON content BEGIN {enter} END")
    op.execute(f"CREATE TRIGGER content_words_leave AFTER DELETE ON content BEGIN {leave} END")
    op.execute(
        f"CREATE TRIGGER content_words_change AFTER UPDATE OF words ON content BEGIN {leave} {enter} END"
    )
