"""`sentlog demo`: a server on this machine with the log of a made-up district."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import timedelta
from itertools import count

import structlog
from sqlalchemy import make_url

from db.connect.database import Database
from delivery.runners.base import wait
from domain.status import DeliveryMode
from domain.viewer import Right
from resolvers.ingest.ingest import Outcome, ingest
from server.auth.issue import make_token, with_demo_key
from server.process import collector, serve
from server.process.app import create_app, utc_now
from server.process.log_output import configure
from server.process.protocols import limits_of
from server.process.serve import listen, make_ready, ready_database
from server.sample import demo_lines, feed
from server.sample.aftermath import add_aftermath
from server.settings.settings import Settings

HOST = "127.0.0.1"
CHUNK = 256 * 1024

EVERY = 20.0
"""Seconds between two messages."""

SIMULATOR = "simulator"
PER_SECOND = 25.0
"""Rate limit of the simulated provider: a message to all families takes a minute, so that it can be canceled."""

_log = structlog.get_logger(__name__)


def run(settings: Settings, *, port: int, say: Callable[[str], None]) -> None:
    """Load the sample unless it is loaded, print a link, and serve until Ctrl-C. Raises `SettingsError`."""
    settings = demo_settings(settings)
    configure("warning", "console", clock=utc_now)
    with listen(HOST, port) as listener:
        asyncio.run(make_ready(settings))
        say("Loading the log of Plainview Schools …")
        outcome = asyncio.run(load(settings))
        messages = outcome.accepted + outcome.unchanged + outcome.refused
        say(f"{messages} messages are in the log.")
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
        say(f"\nOpen   http://{HOST}:{port}/graphiql/#token={token}\n")
        say("This link signs you in as an administrator, for twelve hours. Stop with Ctrl-C.")
        say(
            f"A message arrives every {EVERY:.0f} seconds. Nobody is reached: the provider is simulated."
        )
        app = create_app(settings, background_task=keep_sending)
        collector.freeze_startup_objects()
        serve.run(listener, app, limits=limits_of(settings))


def demo_settings(settings: Settings) -> Settings:
    """The settings of a demo: its own key and file, and simulated providers, whatever the environment sets."""
    file = settings.demo_dir / "sentlog.sqlite3"
    return with_demo_key(settings).model_copy(
        update={
            "database_url": make_url(f"sqlite+aiosqlite:///{file}"),
            "gateways": {
                mode: SIMULATOR for mode in DeliveryMode if mode is not DeliveryMode.INBOX
            },
            "gateway_limits": {SIMULATOR: PER_SECOND},
            "districts": {},
            "report_store": None,
        }
    )


async def load(settings: Settings) -> Outcome:
    """Take in the sample; a second run changes nothing, since all messages are there.

    A demo of an earlier release keeps its messages, where the sample of this release says something else under their ids.
    """
    async with ready_database(settings) as database:
        outcome = await ingest(database, _chunks(demo_lines()), viewer=None, clock=utc_now)
        problems = [problem for problem in outcome.problems if problem.field != "id"]
        assert not problems, problems[:3]
        await add_aftermath(database)
    return outcome


async def keep_sending(database: Database, until: asyncio.Event) -> None:
    """Take in a message every `EVERY` seconds until the event is set."""
    await take(database, [feed.opening()])
    sendings = feed.sendings()
    for number in count():
        sending = await asyncio.to_thread(next, sendings)
        await take(database, feed.lines(feed.live(sending, number, now=utc_now())))
        await wait(EVERY, until)
        if until.is_set():
            return


async def take(database: Database, lines: Iterable[bytes]) -> None:
    """Take in lines; log an error and continue."""
    try:
        outcome = await ingest(database, _chunks(iter(lines)), viewer=None, clock=utc_now)
        assert outcome.is_clean, outcome.problems[:3]
    except Exception:
        _log.exception("the demo could not take in a message")


async def _chunks(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    chunk = bytearray()
    for line in lines:
        chunk += line
        if len(chunk) >= CHUNK:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)
