"""What finds one or two characters in a text: too short for a trigram.

SQLite's trigram index gets two line feeds behind each text, so that whatever stands in a text begins a trigram. The text
with its line feeds is a view; a migration that makes one of these tables anew has to drop the view first.
PostgreSQL gets an index of the single characters and pairs of a message's texts. That of names and addresses was not worth
its price: each would take as long to enter as the rest of its row.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

SEARCHED = {
    "message": ("subject_key", "sender_key", "created_text", "scheduled_text", "schedule_key"),
    "person_name": ("key",),
    "address": ("key",),
}
TOKENIZERS = {
    "message": "trigram case_sensitive 1",
    "person_name": "trigram case_sensitive 1",
    "address": "trigram",
}
END = "char(10, 10)"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table, columns in SEARCHED.items():
            index_ends_in_sqlite(table, columns)
    else:
        index_pairs_in_postgresql()


def index_ends_in_sqlite(table: str, columns: Sequence[str]) -> None:
    index, texts, names = f"{table}_trigrams", f"{table}_text", ", ".join(columns)
    for trigger in ("enter", "leave", "change"):
        op.execute(f"DROP TRIGGER {index}_{trigger}")
    op.execute(f"DROP TABLE {index}")
    ended = ", ".join(f"{column} || {END} AS {column}" for column in columns)
    op.execute(f"CREATE VIEW {texts} AS SELECT id, {ended} FROM {table}")
    new, old = (
        ", ".join(f"{row}.{column} || {END}" for column in columns) for row in ("new", "old")
    )
    enter = f"INSERT INTO {index} (rowid, {names}) VALUES (new.id, {new});"
    leave = f"INSERT INTO {index} ({index}, rowid, {names}) VALUES ('delete', old.id, {old});"
    op.execute(
        f"CREATE VIRTUAL TABLE {index} USING fts5 "
        f"({names}, content='{texts}', content_rowid='id', tokenize='{TOKENIZERS[table]}')"
    )
    op.execute(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")
    op.execute(f"CREATE VIRTUAL TABLE {table}_terms USING fts5vocab ({index}, 'instance')")
    op.execute(f"CREATE TRIGGER {index}_enter AFTER INSERT ON {table} BEGIN {enter} END")
    op.execute(f"CREATE TRIGGER {index}_leave AFTER DELETE ON {table} BEGIN {leave} END")
    op.execute(
        f"CREATE TRIGGER {index}_change AFTER UPDATE OF {names} ON {table} BEGIN {leave} {enter} END"
    )


def index_pairs_in_postgresql() -> None:
    op.execute(
        """
        CREATE FUNCTION short_parts(whole text) RETURNS text[]
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
            SELECT string_to_array(whole, NULL) || array_agg(first || second)
            FROM unnest(string_to_array(whole, NULL), (string_to_array(whole, NULL))[2:]) AS pair(first, second)
        $$
        """
    )
    op.execute(
        "CREATE INDEX message_short_grams ON message USING gin "
        "(short_parts(subject_key || chr(10) || sender_key || chr(10) || coalesce(schedule_key, '')))"
    )
