"""Starting the server, and the engine of commands that need a database."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import uvicorn
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp

from db import migrations
from db.engine import make_engine
from server.app import create_app, utc_now
from server.logs import configure
from server.settings import Settings, SettingsError

GRACE = 10
"""Seconds in which requests that run may end when the server is told to stop."""

_log = structlog.get_logger(__name__)


def is_sqlite(settings: Settings) -> bool:
    """Whether the log is in a file of its own."""
    return settings.database_url.get_backend_name() == "sqlite"


@asynccontextmanager
async def with_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The engine of the settings' database, disposed of at the end."""
    if is_sqlite(settings) and settings.database_url.database:
        os.makedirs(os.path.dirname(settings.database_url.database), exist_ok=True)
    engine = make_engine(settings.database_url.render_as_string(hide_password=False))
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def ready_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine whose database has the tables of this program.

    A SQLite file is brought there, since it has one user. A PostgreSQL database may have many, and old servers on it:
    there it is for the operator to say when. Raises `SettingsError`.
    """
    async with with_engine(settings) as engine:
        if is_sqlite(settings):
            await migrations.upgrade(engine)
        elif (stands := await migrations.current(engine)) != migrations.head():
            raise SettingsError(
                f"The database stands at revision {stands}, this program needs {migrations.head()}: run `sentlog migrate`."
            )
        yield engine


async def make_ready(settings: Settings) -> None:
    """Have the database ready before a server starts on it. Raises `SettingsError`."""
    async with ready_engine(settings):
        pass


def serve(settings: Settings, *, host: str | None, port: int | None, workers: int) -> None:
    """Run the server until it is told to stop. Raises `SettingsError`."""
    if workers > 1 and is_sqlite(settings):
        raise SettingsError(
            f"--workers {workers}: a SQLite file has one server process. Use PostgreSQL, or one worker."
        )
    asyncio.run(make_ready(settings))
    create_app(settings)  # a key that cannot be used is told here, not by each worker
    configure(settings.log_level, settings.log_format, clock=utc_now)
    chosen_host, chosen_port = host or settings.host, port or settings.port
    _log.info("the server starts", host=chosen_host, port=chosen_port, workers=workers)
    uvicorn.run(
        "server.running:app_of_environment",
        factory=True,
        host=chosen_host,
        port=chosen_port,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        ws="websockets-sansio",
    )


def app_of_environment() -> ASGIApp:
    """The application of a worker: each is a process of its own, and reads the environment for itself."""
    settings = Settings.from_environment(os.environ)
    configure(settings.log_level, settings.log_format, clock=utc_now)
    return create_app(settings)
