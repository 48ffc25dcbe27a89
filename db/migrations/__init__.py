"""The migrations, run from package data, so that they work from a wheel and from a checkout.

`python -m db.migrations "title"` generates a new one from the difference between the tables and the migrations.
"""

from importlib.resources import as_file, files
from typing import Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, ForeignKeyConstraint
from sqlmodel import SQLModel

import db.tables.addresses
import db.tables.figures
import db.tables.installation
import db.tables.log
import db.tables.operations
from db.connect.database import Database
from db.migrations import backfills

KEPT_BY_TRIGGERS: Final = frozenset({"person", "person_name", "address", "recipient", "delivery"})
"""The tables whose foreign keys are checked by triggers on PostgreSQL, once per statement instead of per row."""

# Imported so that the metadata knows every table.
assert db.tables.installation
assert db.tables.addresses
assert db.tables.figures
assert db.tables.operations
assert db.tables.log


def configuration(folder: str, connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for the migrations in `folder`."""
    config = Config()
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


async def upgrade(
    database: Database,
    target: str = "head",
    *,
    watch: backfills.Watch = lambda progress: None,
) -> None:
    """Migrate the database to the revision `target` in one transaction, so that a failed migration leaves nothing behind.

    Then, if the target is the newest revision, run the backfills in many transactions. An interrupted one resumes at the
    next call. `watch` receives the progress of each.
    """
    async with database.writing() as connection:
        await connection.run_sync(_upgrade, target)
    if target == "head":
        await backfills.run(database, watch=watch)


def _upgrade(connection: Connection, target: str) -> None:
    with as_file(files("db") / "migrations") as folder:
        command.upgrade(configuration(str(folder), connection), target)


async def current(database: Database) -> str | None:
    """Return the revision of the database; None if it was never migrated."""
    async with database.engine.connect() as connection:
        return await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )


def head() -> str:
    """Return the newest revision of this release."""
    with as_file(files("db") / "migrations") as folder:
        revision = ScriptDirectory.from_config(configuration(str(folder))).get_current_head()
    assert revision is not None
    return revision


def drift(connection: Connection) -> list[object]:
    """Return the differences between the declared tables and the migrated database; empty if they agree."""
    context = MigrationContext.configure(connection, opts={"include_object": is_declared})
    return list(compare_metadata(context, SQLModel.metadata))


def is_declared(
    thing: object, name: str | None, kind: str, reflected: bool, compare_to: object
) -> bool:
    """Return whether an object belongs to the declared tables; the text indexes do not, because they differ per engine.

    The triggers that replace foreign keys on PostgreSQL (migration 0010) cannot be compared; a test tries each of them.
    """
    if kind == "foreign_key_constraint" and not reflected and compare_to is None:
        assert isinstance(thing, ForeignKeyConstraint)
        return thing.table.name not in KEPT_BY_TRIGGERS
    if not reflected or compare_to is not None:
        return True
    if kind == "table":
        return name in SQLModel.metadata.tables
    return not (kind == "index" and (name or "").endswith(("grams", "_words")))
