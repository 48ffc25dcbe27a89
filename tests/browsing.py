"""Fixtures: a live HTTP server, and a browser page."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest

from tests.databases import migrate
from tests.missing import missing

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, ConsoleMessage, Error, Page, Route

    from server.settings.settings import Settings

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


@pytest.fixture(scope="session")
def live_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of `live_server`: SQLite in a temporary folder, and a key to sign tokens."""
    from pydantic import SecretStr
    from sqlalchemy import make_url

    from server.settings.settings import Settings

    folder = tmp_path_factory.mktemp("live")
    return Settings(
        data_dir=folder,
        database_url=make_url(f"sqlite+aiosqlite:///{folder / 'sentlog.sqlite3'}"),
        jwt_key=SecretStr("the key of the live server in the tests, which nobody else knows"),
    )


@pytest.fixture(scope="session")
def live_server(live_settings: Settings) -> Iterator[str]:
    """The address, `http://127.0.0.1:PORT`, of the whole application under a real server, on a migrated database.

    The run shares one server: the changes of a test stay for later tests.
    """
    from server.process.app import create_app
    from tests.live_server import serving

    asyncio.run(migrate(live_settings.database_url.render_as_string(hide_password=False)))
    with serving(create_app(live_settings)) as address:
        yield address


@pytest.fixture(scope="session")
def built_console() -> Path:
    """The folder with the built page."""
    from server.routes.console import BUILT, PAGE

    if not (BUILT / PAGE).exists():
        missing("the page is not built: make console")
    return BUILT


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium, from `CHROMIUM` or PATH."""
    from playwright.async_api import async_playwright

    # The async API on the session's loop: the sync API leaves a loop running in this thread, which breaks later async tests.
    on_path = filter(None, map(shutil.which, CHROMIUMS))
    program = os.environ.get("CHROMIUM") or next(on_path, None)
    if program is None:
        missing("no Chromium: install one, or set CHROMIUM=/path/to/chrome")
    arguments = [*CHROMIUM_ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser, built_console: Path) -> AsyncIterator[Page]:
    """A page with its own storage.

    The test fails if a script fails, the Content Security Policy blocks something, or a request goes to another host.
    """
    problems: list[str] = []

    async def guard(route: Route) -> None:
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            await route.continue_()
        else:
            problems.append(f"request to another host: {route.request.url}")
            await route.abort()

    def read(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            problems.append(message.text)

    def fail(error: Error) -> None:
        # The editor raises this for unfinished work when it is closed.
        if error.name != "Canceled":
            problems.append(f"script failed: {error}")

    context = await browser.new_context()
    await context.route("**/*", guard)
    page = await context.new_page()
    page.on("pageerror", fail)
    page.on("console", read)
    yield page
    before_close = problems.copy()
    await context.close()  # requests that this aborts are not problems of the page
    assert before_close == []
