"""Starts the server or a worker, and opens the database for commands that need a database."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
import uvicorn
from starlette.types import ASGIApp

from db import migrations
from db.connect.database import Database
from db.connect.engine import POOLED
from server.process import background, collector
from server.process.app import create_app, utc_now
from server.process.health import revision_problem
from server.process.log_output import configure
from server.process.protocols import configuration, limits_of
from server.process.supervisor import Supervisor
from server.settings.connections import ConnectionSettings
from server.settings.settings import Settings, SettingsError, variable

_log = structlog.get_logger(__name__)


def is_sqlite(settings: Settings) -> bool:
    """Whether the database is a SQLite file."""
    return settings.database_url.get_backend_name() == "sqlite"


@asynccontextmanager
async def with_database(settings: Settings, *, most: int = POOLED) -> AsyncIterator[Database]:
    """The configured database, disposed of at the end; `most` as for `Database`. Raises `SettingsError`."""
    if is_sqlite(settings) and settings.database_url.database:
        _make_folder(Path(settings.database_url.database).parent)
    database = Database(settings.database_url.render_as_string(hide_password=False), most=most)
    try:
        yield database
    finally:
        await database.dispose()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{folder} cannot be made: {error.strerror}. Set {variable('data_dir')} or {variable('database_url')}"
            " to where this user may write."
        ) from None


@asynccontextmanager
async def ready_database(settings: Settings, *, most: int = POOLED) -> AsyncIterator[Database]:
    """The configured database, at the revision that this program needs; `most` as for `Database`.

    A SQLite file is migrated here, since it has one user. On PostgreSQL, servers of the old release may run, so the operator
    runs `sentlog migrate`. Raises `SettingsError`.
    """
    async with with_database(settings, most=most) as database:
        if is_sqlite(settings):
            if await revision_problem(database):
                with background.lock_database_file(settings):
                    await migrations.upgrade(database)
        elif problem := await revision_problem(database):
            raise SettingsError(problem)
        yield database


async def make_ready(settings: Settings) -> None:
    """Check and migrate the database before a server starts. Raises `SettingsError`.

    Also detects a second server on a SQLite file, while the message can still be printed to the terminal.
    """
    async with with_database(settings):
        if is_sqlite(settings):
            with background.lock_database_file(settings):
                pass
    async with ready_database(settings):
        pass


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 chooses a free port. Raises `SettingsError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsError(
            f"{host}:{port} cannot be listened on: {os.strerror(error.errno or 0) if error.errno else error}."
            " Stop what is there, or choose another with --host and --port."
        ) from None


def serve(settings: Settings, *, host: str | None, port: int | None, workers: int) -> None:
    """Run the server until SIGINT or SIGTERM. Raises `SettingsError`."""
    if workers > 1 and is_sqlite(settings):
        raise SettingsError(
            f"--workers {workers}: a SQLite file has one server process. Use PostgreSQL, or one worker."
        )
    asyncio.run(make_ready(settings))
    create_app(settings)  # report an unusable key here once, not in each worker
    configure(settings.log_level, settings.log_format, clock=utc_now)
    with listen(host or settings.host, settings.port if port is None else port) as listener:
        where = listener.getsockname()
        _log.info("the server starts", host=where[0], port=where[1], workers=workers)
        limits = limits_of(settings)
        run(listener, "server.process.serve:app_of_environment", limits=limits, workers=workers)


def run(
    listener: socket.socket, app: ASGIApp | str, *, limits: ConnectionSettings, workers: int = 1
) -> None:
    """Serve on `listener` until SIGINT or SIGTERM, then let running requests finish. `app` as for `configuration`."""
    config = configuration(app, limits=limits, workers=workers)
    if workers > 1:
        supervisor = Supervisor(config, [listener])
        supervisor.run()
        if supervisor.has_failed:
            sys.exit(1)
        return
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return  # raised again by uvicorn when all has ended
    if not server.started:
        sys.exit(1)


def work(settings: Settings) -> None:
    """Run a worker until SIGINT or SIGTERM. Raises `SettingsError`."""

    async def run() -> None:
        most = background.connections_of(settings.database_url, serves=False)
        async with ready_database(settings, most=most) as database:
            collector.freeze_startup_objects()
            await background.work(settings, database=database, clock=utc_now)

    configure(settings.log_level, settings.log_format, clock=utc_now)
    asyncio.run(run())


def app_of_environment() -> ASGIApp:
    """The application of a worker process, which reads the environment itself."""
    settings = Settings.from_environment(os.environ)
    configure(settings.log_level, settings.log_format, clock=utc_now)
    app = create_app(settings)
    collector.freeze_startup_objects()
    return app
