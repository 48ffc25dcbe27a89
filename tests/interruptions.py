"""Interrupts the database at a chosen statement, once each time.

PostgreSQL   the server ends the session that is about to run the statement (`pg_terminate_backend`)
SQLite       another connection has the file's write lock, with a busy timeout of 0
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import psycopg
from sqlalchemy import event

from db.connect.database import Database

TABLE: Final = "delivery_event"
"""Every transaction that changes a delivery writes this table, before the counters."""


@contextmanager
def interrupted(database: Database, at: str = TABLE, *, times: int = 1) -> Iterator[list[str]]:
    """Inside the block, interrupt the first `times` statements that insert into the table `at`; return these statements.

    On SQLite the start of a transaction is interrupted, because after that it holds the lock itself.
    """
    statements: list[str] = []
    if database.is_postgresql:
        with _ended_session(database, at, times, statements):
            yield statements
    else:
        with _locked_file(database, times, statements):
            yield statements


@contextmanager
def _ended_session(
    database: Database, at: str, times: int, statements: list[str]
) -> Iterator[None]:
    def before(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if len(statements) < times and cursor is not None and f"INSERT INTO {at}" in statement:
            statements.append(statement)
            end_session(database, connection.connection.driver_connection.info.backend_pid)

    with _listening(database, "before_cursor_execute", before):
        yield


@contextmanager
def _locked_file(database: Database, times: int, statements: list[str]) -> Iterator[None]:
    assert database.engine.url.database is not None
    with closing(sqlite3.connect(database.engine.url.database, isolation_level=None)) as other:

        def before(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            if len(statements) < times and statement == "BEGIN IMMEDIATE":
                statements.append(statement)
                cursor.execute("PRAGMA busy_timeout = 0")
                other.execute("BEGIN IMMEDIATE")

        def after(context: Any) -> None:
            if other.in_transaction:
                other.execute("ROLLBACK")

        with (
            _listening(database, "before_cursor_execute", before),
            _listening(database, "handle_error", after),
        ):
            yield


@contextmanager
def _listening(database: Database, name: str, listener: Any) -> Iterator[None]:
    # First: another listener may raise.
    event.listen(database.engine.sync_engine, name, listener, insert=True)
    try:
        yield
    finally:
        event.remove(database.engine.sync_engine, name, listener)


def end_session(database: Database, pid: int) -> None:
    """End a PostgreSQL session, and wait until it is gone."""
    with connected(database) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 30000)", [pid])


def end_all_sessions(database: Database) -> None:
    """End every other PostgreSQL session of the database."""
    with connected(database) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@contextmanager
def connected(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """Open a separate autocommit connection to the database."""
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
