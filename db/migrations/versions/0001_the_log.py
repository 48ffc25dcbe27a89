"""The log: its tables, what finds a text in them, and an audit that nothing takes back."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

SEARCHED = {
    "message": ("subject_key", "sender_key", "created_text", "scheduled_text", "schedule_key"),
    "person_name": ("key",),
    "address": ("key",),
}
"""The columns in which a part of a text is looked for, by table."""

TOKENIZERS = {
    "message": "trigram case_sensitive 1",
    "person_name": "trigram case_sensitive 1",
    "address": "trigram",
}
"""SQLite's: keys are folded, but those of portal accounts are as they came."""


def upgrade() -> None:
    create_tables()
    if op.get_bind().dialect.name == "sqlite":
        index_text_in_sqlite()
        protect_audit_in_sqlite()
    else:
        index_text_in_postgresql()
        protect_audit_in_postgresql()
        leave_room_for_updates()


def create_tables() -> None:
    op.create_table(
        "district",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("has_voice", sa.Boolean(), nullable=False),
        sa.Column("call_from", sa.Time(), nullable=True),
        sa.Column("call_until", sa.Time(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("external_id"),
    )
    op.create_table(
        "address",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("district_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column(
            "key", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["district_id"],
            ["district.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("district_id", "kind", "key"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("district_id", sa.Integer(), nullable=False),
        sa.Column("viewer_id", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["district_id"],
            ["district.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("audit_of_district", ["district_id", "id"], unique=False)

    op.create_table(
        "person",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("district_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["district_id"],
            ["district.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("district_id", "role", "external_id"),
    )
    op.create_table(
        "school",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("district_id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "key", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["district_id"],
            ["district.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("district_id", "external_id"),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("district_id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("school_id", sa.Integer(), nullable=True),
        sa.Column("visible_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column(
            "status_rank",
            sa.SmallInteger(),
            sa.Computed(
                "CASE status WHEN 'WAITING' THEN 0 WHEN 'IN_PROGRESS' THEN 1 WHEN 'SENT' THEN 2 WHEN 'ERROR' THEN 3 WHEN 'CANCELED' THEN 4 WHEN 'CANCELED_IN_PROGRESS' THEN 5 END",
                persisted=True,
            ),
            nullable=True,
        ),
        sa.Column("type_code", sa.String(), nullable=False),
        sa.Column("type_label", sa.String(), nullable=False),
        sa.Column(
            "type_key", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column(
            "school_key",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=True,
        ),
        sa.Column(
            "school_up",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            sa.Computed("coalesce('0' || school_key, '1')", persisted=True),
            nullable=True,
        ),
        sa.Column(
            "school_down",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            sa.Computed("coalesce('1' || school_key, '0')", persisted=True),
            nullable=True,
        ),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column(
            "subject_key",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("sender_id", sa.String(), nullable=False),
        sa.Column("sender_name", sa.String(), nullable=False),
        sa.Column(
            "sender_key",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_text",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "scheduled_text",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("schedule_id", sa.String(), nullable=True),
        sa.Column(
            "schedule_key",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=True,
        ),
        sa.Column(
            "schedule_up",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            sa.Computed("coalesce('0' || schedule_key, '1')", persisted=True),
            nullable=True,
        ),
        sa.Column(
            "schedule_down",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            sa.Computed("coalesce('1' || schedule_key, '0')", persisted=True),
            nullable=True,
        ),
        sa.Column("source", sa.String(length=24), nullable=False),
        sa.Column("modes", sa.String(length=32), nullable=False),
        sa.Column("is_recorded", sa.Boolean(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("people_without_device", sa.Integer(), nullable=False),
        sa.Column("people_contacted", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["district_id"],
            ["district.id"],
        ),
        sa.ForeignKeyConstraint(
            ["school_id"],
            ["school.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("district_id", "external_id"),
    )
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.create_index(
            "message_by_created",
            ["district_id", "created_at", "id", "visible_from"],
            unique=False,
        )
        batch_op.create_index(
            "message_by_schedule", ["district_id", "schedule_up", "id"], unique=False
        )
        batch_op.create_index(
            "message_by_schedule_down", ["district_id", "schedule_down", "id"], unique=False
        )
        batch_op.create_index(
            "message_by_scheduled",
            ["district_id", "scheduled_at", "id", "created_at"],
            unique=False,
        )
        batch_op.create_index("message_by_school", ["district_id", "school_up", "id"], unique=False)
        batch_op.create_index(
            "message_by_school_down", ["district_id", "school_down", "id"], unique=False
        )
        batch_op.create_index(
            "message_by_sender", ["district_id", "sender_key", "id"], unique=False
        )
        batch_op.create_index(
            "message_by_status", ["district_id", "status_rank", "id"], unique=False
        )
        batch_op.create_index(
            "message_by_subject", ["district_id", "subject_key", "id"], unique=False
        )
        batch_op.create_index("message_by_type", ["district_id", "type_key", "id"], unique=False)
        batch_op.create_index(
            "message_of_school", ["district_id", "school_id", "created_at"], unique=False
        )
        batch_op.create_index(
            "message_of_sender", ["district_id", "sender_id", "created_at"], unique=False
        )
        batch_op.create_index(
            "message_of_status", ["district_id", "status", "created_at"], unique=False
        )
        batch_op.create_index(
            "message_of_type", ["district_id", "type_code", "created_at"], unique=False
        )

    op.create_table(
        "person_name",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "key", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("person_id", "key"),
    )
    op.create_table(
        "cancellation",
        sa.Column(
            "message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by_id", sa.String(), nullable=True),
        sa.Column("requested_by_name", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped", sa.Integer(), nullable=False),
        sa.Column("already_sent", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["message.id"],
        ),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_table(
        "content",
        sa.Column(
            "message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("body_format", sa.String(length=24), nullable=False),
        sa.Column("text_body", sa.Text(), nullable=True),
        sa.Column("voice_script", sa.Text(), nullable=True),
        sa.Column("reply_to", sa.String(), nullable=True),
        sa.Column("filter_criteria", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["message.id"],
        ),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_table(
        "recipient",
        sa.Column(
            "message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "student_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("student_name", sa.String(), nullable=True),
        sa.Column(
            "key", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("is_repeat", sa.Boolean(), nullable=False),
        sa.Column("contacted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["message.id"],
        ),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["person.id"],
        ),
        sa.ForeignKeyConstraint(
            ["student_id"],
            ["person.id"],
        ),
        sa.PrimaryKeyConstraint("message_id", "number"),
    )
    with op.batch_alter_table("recipient", schema=None) as batch_op:
        batch_op.create_index("recipient_by_name", ["message_id", "key", "number"], unique=False)
        batch_op.create_index("recipient_of_person", ["person_id", "message_id"], unique=False)
        batch_op.create_index("recipient_of_student", ["student_id", "message_id"], unique=False)

    op.create_table(
        "span",
        sa.Column(
            "message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("mode", sa.String(length=24), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["message.id"],
        ),
        sa.PrimaryKeyConstraint("message_id", "mode"),
    )
    op.create_table(
        "tally",
        sa.Column(
            "message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("mode", sa.String(length=24), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("call_status", sa.SmallInteger(), nullable=False),
        sa.Column("is_duplicate", sa.Boolean(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["message.id"],
        ),
        sa.PrimaryKeyConstraint("message_id", "mode", "status", "call_status", "is_duplicate"),
    )
    op.create_table(
        "delivery",
        sa.Column(
            "message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("recipient_number", sa.Integer(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(length=24), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column(
            "address_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("is_duplicate", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("call_status", sa.SmallInteger(), nullable=True),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["address_id"],
            ["address.id"],
        ),
        sa.ForeignKeyConstraint(
            ["message_id", "recipient_number"],
            ["recipient.message_id", "recipient.number"],
        ),
        sa.PrimaryKeyConstraint("message_id", "recipient_number", "number"),
    )
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.create_index(
            "delivery_open",
            ["message_id", "chunk"],
            unique=False,
            sqlite_where=sa.text("status IN ('PENDING', 'IN_PROGRESS')"),
            postgresql_where=sa.text("status IN ('PENDING', 'IN_PROGRESS')"),
        )
        batch_op.create_index("delivery_to_address", ["address_id", "message_id"], unique=False)

    op.create_table(
        "delivery_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("recipient_number", sa.Integer(), nullable=False),
        sa.Column("delivery_number", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("call_status", sa.SmallInteger(), nullable=True),
        sa.Column("source", sa.String(length=24), nullable=False),
        sa.Column("detail", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id", "recipient_number", "delivery_number"],
            ["delivery.message_id", "delivery.recipient_number", "delivery.number"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("delivery_event", schema=None) as batch_op:
        batch_op.create_index(
            "event_of_delivery",
            ["message_id", "recipient_number", "delivery_number", "id"],
            unique=False,
        )


def index_text_in_sqlite() -> None:
    """A trigram index beside each table (FTS5, which keeps no copy of the text), kept up by triggers."""
    for table, columns in SEARCHED.items():
        index, names = f"{table}_trigrams", ", ".join(columns)
        new, old = (", ".join(f"{row}.{column}" for column in columns) for row in ("new", "old"))
        enter = f"INSERT INTO {index} (rowid, {names}) VALUES (new.id, {new});"
        leave = f"INSERT INTO {index} ({index}, rowid, {names}) VALUES ('delete', old.id, {old});"
        op.execute(
            f"CREATE VIRTUAL TABLE {index} USING fts5 "
            f"({names}, content='{table}', content_rowid='id', tokenize='{TOKENIZERS[table]}')"
        )
        op.execute(f"CREATE TRIGGER {index}_enter AFTER INSERT ON {table} BEGIN {enter} END")
        op.execute(f"CREATE TRIGGER {index}_leave AFTER DELETE ON {table} BEGIN {leave} END")
        op.execute(
            f"CREATE TRIGGER {index}_change AFTER UPDATE OF {names} ON {table} BEGIN {leave} {enter} END"
        )


def index_text_in_postgresql() -> None:
    """Trigram indexes where the server has pg_trgm and lets us create it; a search without them reads the days asked for."""
    op.execute(
        """
        DO $$ BEGIN
            CREATE EXTENSION IF NOT EXISTS pg_trgm;
        EXCEPTION WHEN undefined_file OR feature_not_supported OR insufficient_privilege THEN
            RAISE NOTICE 'pg_trgm cannot be had here: searches for a part of a text will be slower';
        END $$
        """
    )
    if (
        op.get_bind().scalar(sa.text("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'"))
        is None
    ):
        return
    for table, columns in SEARCHED.items():
        names = ", ".join(f"{column} gin_trgm_ops" for column in columns)
        op.execute(f"CREATE INDEX {table}_trigrams ON {table} USING gin ({names})")


def protect_audit_in_sqlite() -> None:
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_keeps_{event.lower()} BEFORE {event} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'the audit only grows'); END"
        )


def protect_audit_in_postgresql() -> None:
    op.execute(
        """
        CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'the audit only grows'; END $$
        """
    )
    op.execute(
        "CREATE TRIGGER audit_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()"
    )


def leave_room_for_updates() -> None:
    """Rows that change while a message runs: room in each page keeps their new versions beside the old ones."""
    op.execute("ALTER TABLE message SET (fillfactor = 90)")
    op.execute("ALTER TABLE recipient SET (fillfactor = 90)")
    op.execute("ALTER TABLE delivery SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05)")
    op.execute("ALTER TABLE tally SET (fillfactor = 70)")
