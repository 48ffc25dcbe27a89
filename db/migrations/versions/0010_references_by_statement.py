"""PostgreSQL: references are checked once per statement by triggers instead of once per row by foreign keys.

A foreign key looks up and locks its row for each inserted row, which takes a third of the time of an ingest. A trigger looks
up all rows of a statement at once. It keeps the guarantees: no row refers to a missing one, no referenced row is deleted,
and concurrent transactions cannot break either. For districts and messages the row itself is locked, as by a foreign key.
For people, addresses and recipients the lock of the ingest is enough, which ingest and purge hold. SQLite keeps its foreign
keys, which are cheap there.
"""

from collections.abc import Sequence
from typing import NamedTuple

from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INGEST_LOCK = 0x5E47106


class ForeignReference(NamedTuple):
    table: str
    columns: tuple[str, ...]
    to: str
    keys: tuple[str, ...]


REFERENCES = (
    ForeignReference("person", ("district_id",), "district", ("id",)),
    ForeignReference("address", ("district_id",), "district", ("id",)),
    ForeignReference("person_name", ("person_id",), "person", ("id",)),
    ForeignReference("recipient", ("message_id",), "message", ("id",)),
    ForeignReference("recipient", ("person_id",), "person", ("id",)),
    ForeignReference("recipient", ("student_id",), "person", ("id",)),
    ForeignReference("delivery", ("address_id",), "address", ("id",)),
    ForeignReference(
        "delivery", ("message_id", "recipient_number"), "recipient", ("message_id", "number")
    ),
)
SHARED = {"district", "message"}
"""Few rows to which many refer: they are locked themselves."""

# Planned anew for each statement, as large as it is, and never to read a whole table: it may be the largest of the log.
SETTINGS = "SET enable_hashjoin = off SET enable_mergejoin = off"


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(
        f"""
        CREATE FUNCTION take_ingest_lock() RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            -- What another has committed while this one waited is to be seen.
            IF current_setting('transaction_isolation') <> 'read committed' THEN
                RAISE EXCEPTION 'references are checked in READ COMMITTED only';
            END IF;
            PERFORM pg_advisory_xact_lock({INGEST_LOCK});
        END $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION refuse_other_key() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '%: what a row is found by, and what it refers to, stays', TG_TABLE_NAME;
        END $$
        """
    )
    for reference in REFERENCES:
        name = f"{reference.table}_{'_'.join(reference.columns)}_fkey"
        op.execute(f"ALTER TABLE {reference.table} DROP CONSTRAINT {name}")
    for table in dict.fromkeys(reference.table for reference in REFERENCES):
        check_what_goes_in(table, [one for one in REFERENCES if one.table == table])
    for table in dict.fromkeys(reference.to for reference in REFERENCES):
        check_what_goes(table, [one for one in REFERENCES if one.to == table])
    for table, columns in kept().items():
        op.execute(
            f"CREATE TRIGGER {table}_keeps_keys BEFORE UPDATE OF {', '.join(columns)} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_other_key()"
        )


def kept() -> dict[str, list[str]]:
    """The columns by which rows refer, and are referred to, by table."""
    columns: dict[str, list[str]] = {}
    for reference in REFERENCES:
        for table, names in ((reference.table, reference.columns), (reference.to, reference.keys)):
            own = columns.setdefault(table, [])
            own += [name for name in names if name not in own]
    return columns


def check_what_goes_in(table: str, references: Sequence[ForeignReference]) -> None:
    steps = ""
    if any(reference.to not in SHARED for reference in references):
        steps += "PERFORM take_ingest_lock();"
    for one in references:
        if one.to in SHARED:
            (column,) = one.columns
            steps += f"""
            PERFORM FROM {one.to} o WHERE o.id IN (SELECT {column} FROM added) ORDER BY o.id FOR KEY SHARE;
            """
        same = " AND ".join(
            f"o.{key} = a.{column}" for column, key in zip(one.columns, one.keys, strict=True)
        )
        said = " AND ".join(f"a.{column} IS NOT NULL" for column in one.columns)
        steps += f"""
            EXECUTE 'SELECT EXISTS (SELECT FROM added a WHERE {said} AND NOT EXISTS (SELECT FROM {one.to} o WHERE {same}))'
                INTO is_broken;
            IF is_broken THEN
                RAISE foreign_key_violation USING MESSAGE = '{table}: there is no such {one.to}';
            END IF;
        """
    op.execute(
        f"""
        CREATE FUNCTION {table}_refers() RETURNS trigger LANGUAGE plpgsql {SETTINGS} AS $$
        DECLARE is_broken boolean;
        BEGIN
            {steps}
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        f"CREATE TRIGGER {table}_refers AFTER INSERT ON {table} REFERENCING NEW TABLE AS added "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refers()"
    )


def check_what_goes(table: str, references: Sequence[ForeignReference]) -> None:
    steps = "" if table in SHARED else "PERFORM take_ingest_lock();"
    for one in references:
        same = " AND ".join(
            f"r.{column} = g.{key}" for column, key in zip(one.columns, one.keys, strict=True)
        )
        steps += f"""
            EXECUTE 'SELECT EXISTS (SELECT FROM gone g WHERE EXISTS (SELECT FROM {one.table} r WHERE {same}))'
                INTO is_broken;
            IF is_broken THEN
                RAISE foreign_key_violation USING MESSAGE = '{table}: a {one.table} refers to it';
            END IF;
        """
    op.execute(
        f"""
        CREATE FUNCTION {table}_is_referred_to() RETURNS trigger LANGUAGE plpgsql {SETTINGS} AS $$
        DECLARE is_broken boolean;
        BEGIN
            {steps}
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        f"CREATE TRIGGER {table}_is_referred_to AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_is_referred_to()"
    )
    op.execute(
        f"CREATE FUNCTION {table}_is_not_emptied() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN RAISE foreign_key_violation USING MESSAGE = '{table}: others refer to it'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_is_not_emptied BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_is_not_emptied()"
    )
