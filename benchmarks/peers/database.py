"""The database of the measurements: on a server that the run starts, or at a given URL."""

import contextlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
from sqlalchemy import URL, make_url

from benchmarks.large_log import build, size_of
from benchmarks.large_log.rows import CLASS, OF_CLASS
from tests.postgres import find_programs, running_cluster

SETTINGS: Final = {
    "max_connections": "600",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
}
CROWD: Final = 200_000


class Log(NamedTuple):
    """A database with a large log, and its number of messages."""

    url: URL
    messages: int


def named(url: str) -> Log:
    """Return the log at `url`. Exits unless it is one of `benchmarks.large_log`."""
    where = make_url(url)
    with psycopg.connect(_plain(where)) as connection:
        row = connection.execute(
            "SELECT max(id), (SELECT count(*) FROM recipient WHERE message_id = %s) FROM message",
            [CLASS],
        ).fetchone()
    if row is None or row[1] != OF_CLASS:
        sys.exit(f"{where!r} holds no log of benchmarks.large_log in its present form: build it")
    return Log(where, row[0])


@contextmanager
def server() -> Iterator[URL]:
    """Run a temporary PostgreSQL with settings for many connections; return the URL of a database."""
    programs = _with_trigrams() or find_programs()
    if programs is None:
        sys.exit("there are no PostgreSQL programs: install postgresql, or give --url")
    with running_cluster(programs) as cluster:
        with psycopg.connect(_plain(make_url(cluster.url)), autocommit=True) as connection:
            for name, value in SETTINGS.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
        cluster.stop()
        cluster.start()
        yield make_url(cluster.url)


def _with_trigrams() -> Path | None:
    """Return a PostgreSQL of the system with pg_trgm, which that of the tests lacks."""
    controls = Path("/usr").glob("share/postgresql/*/extension/pg_trgm.control")
    homes = [Path("/usr/lib/postgresql") / control.parents[1].name for control in controls]
    return max((home for home in homes if (home / "bin" / "initdb").exists()), default=None)


def built(server: URL, *, messages: int, deliveries: int) -> Log:
    """Create a log of this many messages and deliveries on that server."""
    name = f"log_of_{messages}"
    with psycopg.connect(_plain(server), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = server.set(database=name)
    began = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):
        build(url.render_as_string(hide_password=False), size_of(messages, deliveries, CROWD))
    print(f"built {messages:,} messages in {time.perf_counter() - began:.0f} s", flush=True)
    return Log(url, messages)


def _plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def key_at(log: Log, depth: int) -> tuple[str, int]:
    """Return the time of creation (UTC) and the id of the message with `depth` newer ones."""
    with psycopg.connect(_plain(log.url), options="-c timezone=UTC") as connection:
        row = connection.execute(
            "SELECT created_at, id FROM message WHERE district_id = 1"
            " ORDER BY created_at DESC, id DESC OFFSET %s LIMIT 1",
            [depth],
        ).fetchone()
    assert row is not None, f"there are no {depth} messages"
    return row[0].isoformat(), row[1]
