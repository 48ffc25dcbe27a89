"""The migrations: run from package data, so that they work from a wheel as well as from a checkout.

`python -m db.migrations "what changes"` writes a new one from the difference between the tables and the migrations so far.
"""

from importlib.resources import as_file, files
from typing import Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, ForeignKeyConstraint
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import SQLModel

import db.tables.log
import db.tables.operations
from db.connect.engine import writing
from db.migrations import backfills

KEPT_BY_TRIGGERS: Final = frozenset({"person", "person_name", "address", "recipient", "delivery"})
"""Tables to whose foreign keys triggers see on PostgreSQL, which look up all rows of a statement at once."""

# Imported so that the metadata knows every table.
assert db.tables.operations
assert db.tables.log


def configuration(folder: str, connection: Connection | None = None) -> Config:
    """Alembic's settings for the migrations in `folder`."""
    config = Config()
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


async def upgrade(
    engine: AsyncEngine,
    target: str = "head",
    *,
    watch: backfills.Watch = lambda progress: None,
) -> None:
    """Bring the database to `target`, in one transaction: a migration that fails leaves nothing behind.

    Then the backfills are done, in many transactions, where the target is the newest revision. One that is killed goes on
    where it was when this is called again. `watch` is shown the progress of each.
    """
    async with writing(engine) as connection:
        await connection.run_sync(_upgrade, target)
    if target == "head":
        await backfills.run(engine, watch=watch)


def _upgrade(connection: Connection, target: str) -> None:
    with as_file(files("db") / "migrations") as folder:
        command.upgrade(configuration(str(folder), connection), target)


async def current(engine: AsyncEngine) -> str | None:
    """The revision that the database stands at; None where it has never been migrated."""
    async with engine.connect() as connection:
        return await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )


def head() -> str:
    """The newest revision that this program knows."""
    with as_file(files("db") / "migrations") as folder:
        revision = ScriptDirectory.from_config(configuration(str(folder))).get_current_head()
    assert revision is not None
    return revision


def drift(connection: Connection) -> list[object]:
    """What the tables have and the migrated database lacks, or has otherwise; empty when the two agree."""
    context = MigrationContext.configure(connection, opts={"include_object": is_declared})
    return list(compare_metadata(context, SQLModel.metadata))


def is_declared(
    thing: object, name: str | None, kind: str, reflected: bool, compare_to: object
) -> bool:
    """Whether a thing belongs to our tables: the indexes of texts are of another making on each engine.

    What stands in for foreign keys on PostgreSQL (migration 0010) cannot be compared: a test tries each of them.
    """
    if kind == "foreign_key_constraint" and not reflected and compare_to is None:
        assert isinstance(thing, ForeignKeyConstraint)
        return thing.table.name not in KEPT_BY_TRIGGERS
    if not reflected or compare_to is not None:
        return True
    if kind == "table":
        return name in SQLModel.metadata.tables
    return not (kind == "index" and (name or "").endswith("grams"))
