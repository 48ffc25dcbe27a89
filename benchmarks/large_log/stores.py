"""Bulk loading for each engine: drop the indexes, load the rows, and rebuild the indexes."""

import sqlite3
from datetime import datetime
from typing import Any, Final, Protocol

import psycopg

from benchmarks.large_log.rows import Load


class Store(Protocol):
    """A migrated database without rows."""

    def drop_indexes(self) -> None:
        """Drop everything that slows down inserts."""

    def write(self, load: Load) -> None:
        """Write the rows of one table."""

    def finish(self) -> None:
        """Restore what `drop_indexes` dropped, and run ANALYZE."""


TRIGRAMS: Final = ("message_trigrams", "person_name_trigrams", "address_trigrams")


class Sqlite:
    """A SQLite file."""

    def __init__(self, file: str) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)
        for pragma in ("synchronous = OFF", "cache_size = -1000000", "temp_store = MEMORY"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._taken: list[str] = []

    def drop_indexes(self) -> None:
        kept = self._connection.execute(
            "SELECT type, name, sql FROM sqlite_master"
            " WHERE sql IS NOT NULL AND (type = 'index' OR (type = 'trigger' AND (name LIKE '%trigrams%' OR name LIKE 'content_words%')))"
        ).fetchall()
        for kind, name, statement in kept:
            self._connection.execute(f"DROP {kind} {name}")
            self._taken.append(statement)

    def write(self, load: Load) -> None:
        places = ", ".join("?" * (load.columns.count(",") + 1))
        self._connection.execute("BEGIN")
        self._connection.executemany(
            f"INSERT INTO {load.table} ({load.columns}) VALUES ({places})",
            (tuple(map(_for_sqlite, row)) for row in load.rows),
        )
        self._connection.execute("COMMIT")

    def finish(self) -> None:
        for index in (*TRIGRAMS, "content_words"):
            self._connection.execute(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")
        for statement in self._taken:
            self._connection.execute(statement)
        self._connection.close()


def _for_sqlite(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    return value


class Postgresql:
    """A PostgreSQL database, whose role may disable foreign keys temporarily."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("SET session_replication_role = replica")
        self._connection.execute("SET maintenance_work_mem = '1GB'")
        self._taken: list[str] = []

    def drop_indexes(self) -> None:
        kept = self._connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes JOIN pg_class c ON c.relname = indexname"
            " WHERE schemaname = 'public' AND tablename NOT LIKE 'procrastinate%%'"
            " AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = c.oid)"
        ).fetchall()
        for name, statement in kept:
            self._connection.execute(f"DROP INDEX {name}".encode())
            self._taken.append(statement)

    def write(self, load: Load) -> None:
        statement = f"COPY {load.table} ({load.columns}) FROM STDIN".encode()
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in load.rows:
                copy.write_row(row)

    def finish(self) -> None:
        for statement in self._taken:
            self._connection.execute(statement.encode())
        for table in ("district", "school", "message", "person", "person_name", "address"):
            self._connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))".encode()
            )
        self._connection.execute("VACUUM ANALYZE")
        self._connection.close()
