"""The demo: a district whose log looks real, on this machine alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta

import uvicorn
from sqlalchemy import make_url

from domain.viewer import Right
from resolvers.ingest import Outcome, ingest
from server.app import create_app, utc_now
from server.logs import configure
from server.running import GRACE, ready_engine
from server.sample import demo_lines
from server.settings import Settings
from server.tokens import make_token, with_demo_key

HOST = "127.0.0.1"
CHUNK = 256 * 1024


def run(settings: Settings, *, port: int, say: Callable[[str], None]) -> None:
    """Load the sample where it is not loaded yet, print a link, and serve until told to stop."""
    settings = own(settings)
    configure("warning", "console", clock=utc_now)
    say("Loading the log of Plainview Schools …")
    outcome = asyncio.run(load(settings))
    say(f"{outcome.accepted + outcome.unchanged} messages are in the log.")
    token = make_token(
        settings,
        id="demo-admin",
        name="Administrator, System",
        district="plainview",
        schools=frozenset(),
        rights=frozenset(Right),
        expires_in=timedelta(hours=12),
        now=utc_now(),
    )
    say(f"\nOpen   http://{HOST}:{port}/graphiql#token={token}\n")
    say("This link signs you in as an administrator, for twelve hours. Stop with Ctrl-C.")
    uvicorn.run(
        create_app(settings),
        host=HOST,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        ws="websockets-sansio",
    )


def own(settings: Settings) -> Settings:
    """The settings of a demo: its own key and its own file, whatever a real server beside it has."""
    file = settings.demo_dir / "sentlog.sqlite3"
    return with_demo_key(settings).model_copy(update={"database_url": make_url(f"sqlite+aiosqlite:///{file}")})


async def load(settings: Settings) -> Outcome:
    """Take the sample in; the second time nothing goes in, since everything is there."""
    async with ready_engine(settings) as engine:
        outcome = await ingest(engine, _chunks(demo_lines()), viewer=None, clock=utc_now)
    assert outcome.is_clean, outcome.problems[:3]
    return outcome


async def _chunks(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    chunk = bytearray()
    for line in lines:
        chunk += line
        if len(chunk) >= CHUNK:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)
