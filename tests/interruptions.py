"""Interruptions of the database, made at a chosen statement: each is a real one, and happens once.

PostgreSQL   the server ends the session that is about to run the statement (`pg_terminate_backend`)
SQLite       another connection has the file's write lock, and nobody waits for it
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import psycopg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

TABLE: Final = "delivery_event"
"""Written last but for the figures, in every transaction that changes a delivery."""


@contextmanager
def interrupted(engine: AsyncEngine, at: str = TABLE, *, times: int = 1) -> Iterator[list[str]]:
    """Inside the block, the first `times` statements that write into the table `at` meet an interruption; gives those that did.

    On SQLite a transaction meets it at its beginning: after that it has the lock itself.
    """
    came: list[str] = []
    if engine.dialect.name == "postgresql":
        with _ended_session(engine, at, times, came):
            yield came
    else:
        with _locked_file(engine, times, came):
            yield came


@contextmanager
def _ended_session(engine: AsyncEngine, at: str, times: int, came: list[str]) -> Iterator[None]:
    def before(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if len(came) < times and cursor is not None and f"INSERT INTO {at}" in statement:
            came.append(statement)
            end_session(engine, connection.connection.driver_connection.info.backend_pid)

    with _listening(engine, "before_cursor_execute", before):
        yield


@contextmanager
def _locked_file(engine: AsyncEngine, times: int, came: list[str]) -> Iterator[None]:
    assert engine.url.database is not None
    with closing(sqlite3.connect(engine.url.database, isolation_level=None)) as other:

        def before(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            if len(came) < times and statement == "BEGIN IMMEDIATE":
                came.append(statement)
                cursor.execute("PRAGMA busy_timeout = 0")
                other.execute("BEGIN IMMEDIATE")

        def after(context: Any) -> None:
            if other.in_transaction:
                other.execute("ROLLBACK")

        with (
            _listening(engine, "before_cursor_execute", before),
            _listening(engine, "handle_error", after),
        ):
            yield


@contextmanager
def _listening(engine: AsyncEngine, name: str, listener: Any) -> Iterator[None]:
    # First: another listener may raise.
    event.listen(engine.sync_engine, name, listener, insert=True)
    try:
        yield
    finally:
        event.remove(engine.sync_engine, name, listener)


def end_session(engine: AsyncEngine, pid: int) -> None:
    """Have PostgreSQL end a session, and wait until it is gone."""
    with connected(engine) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 30000)", [pid])


def end_all_sessions(engine: AsyncEngine) -> None:
    """Have PostgreSQL end every session of the database."""
    with connected(engine) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@contextmanager
def connected(engine: AsyncEngine) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the test's own to the engine's database, in no transaction."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
