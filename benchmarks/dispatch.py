"""Measures the speed of dispatch, and checks its guarantees at scale.

    python -m benchmarks.dispatch speed --rows 10000 80000 --workers 2 --url postgresql+psycopg://…/EMPTY_DATABASE
    python -m benchmarks.dispatch cancel --rows 800000
    python -m benchmarks.dispatch kill --rows 100000
    python -m benchmarks.dispatch pace --workers 2 --url …

    speed    deliveries per second, by the provider's journal, for messages with this number of calls, one after the other
    cancel   the latency of `cancelMessage` over HTTP while such a message is handed over
    kill     one worker is killed in the middle; fails if anybody is called twice or not at all
    pace     hand-overs per second to a provider with a limit of 500, by its journal

Without a URL: a SQLite file in a temporary folder, with one worker; PostgreSQL allows any number. The provider is the
simulator, which answers at once. Each worker is a separate process with the product's runner.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import orjson
from pydantic import SecretStr
from sqlalchemy import func, make_url, select

from db import migrations
from db.connect.database import Database
from db.tables.log import DELIVERY, MESSAGE, TALLY
from delivery.dispatch.runtime import Runtime
from delivery.gateways.simulator.gateway import CALM, SimulatorBehavior, SimulatorGateway
from delivery.gateways.simulator.journal import Journal, JournalEntry
from delivery.reports.jobs import ReportRuntime
from delivery.reports.store import StoreLocation
from delivery.runners.local import LocalRunner
from delivery.runners.procrastinate import ProcrastinateRunner
from domain.call_status import NO_RESPONSE
from domain.status import DeliveryMode, DeliveryStatus
from domain.viewer import Right
from resolvers.ingest.ingest import ingest
from server.auth.issue import make_token
from server.process.log_output import configure
from server.settings.settings import Settings

PER_SECOND: Final = 500.0
FORGETFUL: Final = SimulatorBehavior(latency=(0.01, 0.05), forgetful=0.5)
"""Slow enough that a killed worker has deliveries in flight; of half of them the provider cannot tell the outcome."""
LEASE: Final = timedelta(minutes=5)
SHORT_LEASE: Final = timedelta(seconds=10)
KEY: Final = "the key of a benchmark, which signs nothing that anybody else would take"
SENTLOG: Final = [
    sys.executable,
    "-c",
    "from server.cli.main import main; main(prog_name='sentlog')",
]
CANCEL: Final = """mutation ($id: ID!) {
    cancelMessage(input: {messageId: $id}) {
        ... on CancelMessageSuccess { isNew canceledMessage { status cancellation { stopped alreadySent } } }
    }
}"""


def utc_now() -> datetime:
    """Return the current instant."""
    return datetime.now(UTC)


# The log


async def load(database: Database, rows: int, *, name: str) -> int:
    """Ingest a message with calls to this many numbers; return its id."""

    async def lines() -> AsyncIterator[bytes]:
        at = utc_now().isoformat()
        yield _line(
            "district", id="d", name="Plainview Schools", timeZone="America/Chicago", hasVoice=True
        )
        yield _line(
            "message",
            id=name,
            district="d",
            type={"code": "E", "label": "Emergency"},
            subject="School is cancelled",
            body="School is cancelled due to weather.",
            bodyFormat="PLAIN",
            sender={"id": "u", "name": "Administrator"},
            createdAt=at,
            scheduledAt=at,
            source="TEMPLATE",
            modes=["VOICE"],
        )
        for person in range(rows):
            yield _line(
                "recipient",
                message=name,
                person={"id": f"p{person}", "name": f"Parent {person}"},
                devices=[{"mode": "VOICE", "address": f"+1612{person:07}"}],
            )
        yield _line("end", message=name)

    outcome = await ingest(database, lines(), viewer=None, clock=utc_now)
    assert outcome.is_clean, outcome.problems[:3]
    async with database.reading() as connection:
        statement = select(MESSAGE.c.id).where(MESSAGE.c.external_id == name)
        return int((await connection.execute(statement)).scalar_one())


def _line(kind: str, **fields: object) -> bytes:
    return orjson.dumps({"kind": kind} | fields, option=orjson.OPT_APPEND_NEWLINE)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds, which is checked ten times per second."""
    while True:
        if await condition():
            return
        await asyncio.sleep(0.1)


async def pending(database: Database, message_id: int) -> int:
    """Return how many deliveries of a message are pending, by its tallies."""
    statement = select(func.sum(TALLY.c.deliveries)).where(
        TALLY.c.message_id == message_id, TALLY.c.status == DeliveryStatus.PENDING
    )
    async with database.reading() as connection:
        return await connection.scalar(statement) or 0


# The workers


async def work(url: str, journal: Path, *, per_second: float | None, is_forgetful: bool) -> None:
    """Be a worker until SIGTERM."""
    configure("error", "console", clock=utc_now)
    gateway = SimulatorGateway(
        Journal(journal),
        clock=utc_now,
        temper=FORGETFUL if is_forgetful else CALM,
        per_second=per_second,
    )
    database = Database(url)
    lease = SHORT_LEASE if is_forgetful else LEASE
    runtime = Runtime(
        database=database,
        gateways={DeliveryMode.VOICE: gateway},
        clock=utc_now,
        chance=random.random,
        lease=lease,
        send_limit=lease * 2 / 5,
    )
    runner = LocalRunner if not database.is_postgresql else ProcrastinateRunner
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    report_runtime = ReportRuntime(
        database=database, place=StoreLocation(str(journal.parent)), clock=utc_now
    )  # nobody asks
    await runner(runtime, report_runtime).work(stop)
    await database.dispose()


@contextmanager
def worker(url: str, journal: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker as a separate process, and stop it at the end of the block."""
    arguments = ["work", "--url", url, "--journal", str(journal), *options]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.dispatch", *arguments])
    try:
        yield process
        process.terminate()
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()


@contextmanager
def workers(count: int, url: str, journal: Path, *options: str) -> Iterator[None]:
    """Run this many workers."""
    with ExitStack() as all_of_them:
        for _ in range(count):
            all_of_them.enter_context(worker(url, journal, *options))
        yield


def rate(entries: Sequence[JournalEntry]) -> float:
    """Return hand-overs per second from the first instant to the last, without those at the last."""
    first, last = entries[0].at, max(entry.at for entry in entries)
    before = sum(entry.at < last for entry in entries)
    return before / (last - first).total_seconds()


# Measurements


async def speed(url: str, folder: Path, *, rows: Sequence[int], count: int) -> None:
    """Print one line for each message; the last figure is the ratio to the first message."""
    database = Database(url)
    await migrations.upgrade(database)
    first: float | None = None
    for size in rows:
        message_id = await load(database, size, name=f"M-{size}")
        journal = folder / f"journal-{size}"

        async def is_done(message_id: int = message_id) -> bool:
            return await pending(database, message_id) == 0

        with workers(count, url, journal):
            await until(is_done)
        reached = rate(Journal(journal).entries())
        first = first or reached
        print(
            f"{database.engine.dialect.name}, {count} worker(s), {size:,} calls:"
            f" {reached:,.0f} a second, {reached / first:.2f} of the first",
            flush=True,
        )
    await database.dispose()


async def cancel(url: str, folder: Path, *, rows: Sequence[int]) -> None:
    """Cancel messages of each size and one of a thousand during their hand-over; print the latency."""
    database = Database(url)
    await migrations.upgrade(database)
    environment = {
        "SENTLOG_DATABASE_URL": url,
        "SENTLOG_DATA_DIR": str(folder),
        "SENTLOG_JWT_KEY": KEY,
        "SENTLOG_GATEWAYS": '{"VOICE": "simulator"}',
        "SENTLOG_PORT": "0",
    }
    settings = Settings(data_dir=folder, database_url=make_url(url), jwt_key=SecretStr(KEY))
    token = make_token(
        settings,
        id="u1",
        name="Administrator",
        district="d",
        schools=(),
        rights=tuple(Right),
        expires_in=timedelta(hours=1),
        now=utc_now(),
    )
    for size in (1_000, *rows):
        message_id = await load(database, size, name=f"M-{size}")
        with ExitStack() as running:
            if database.is_postgresql:
                running.enter_context(_sentlog("worker", **environment))
            server = running.enter_context(_sentlog("serve", **environment))
            assert server.stderr is not None
            port = json.loads(server.stderr.readline())["port"]
            client = running.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{port}"))

            async def has_begun(message_id: int = message_id, size: int = size) -> bool:
                return size - await pending(database, message_id) >= min(size // 10, 5_000)

            await until(has_begun)
            for again in range(3):
                began = time.perf_counter()
                answer = client.post(
                    "/graphql",
                    json={"query": CANCEL, "variables": {"id": f"message.{message_id}"}},
                    headers={"authorization": f"Bearer {token}"},
                )
                took = time.perf_counter() - began
                canceled = answer.json()["data"]["cancelMessage"]
                assert canceled["isNew"] == (again == 0), canceled
                print(
                    f"{database.engine.dialect.name}, {size:,} calls, {'asked again' if again else 'canceled'}:"
                    f" {took * 1000:.0f} ms {canceled['canceledMessage']}",
                    flush=True,
                )
    await database.dispose()


@contextmanager
def _sentlog(command: str, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    with tempfile.TemporaryFile("w") as rest:
        process = subprocess.Popen(
            [*SENTLOG, command],
            env={**os.environ, **settings},
            stderr=subprocess.PIPE if command == "serve" else rest,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


async def kill(url: str, folder: Path, *, rows: Sequence[int], count: int) -> None:
    """Kill one worker in the middle. Raises `AssertionError` if anybody was called twice or not at all."""
    database = Database(url)
    await migrations.upgrade(database)
    for size in rows:
        message_id = await load(database, size, name=f"M-{size}")
        journal = Journal(folder / f"journal-{size}")

        async def is_half_done(journal: Journal = journal, size: int = size) -> bool:
            return len(journal.entries()) >= size // 2

        async def is_settled() -> bool:
            open_ = (DELIVERY.c.status == DeliveryStatus.PENDING) | DELIVERY.c.claim.is_not(None)
            statement = select(DELIVERY.c.message_id).where(open_).limit(1)
            async with database.reading() as connection:
                return (await connection.execute(statement)).first() is None

        began = time.perf_counter()
        with (
            worker(url, folder / f"journal-{size}", "--is-forgetful") as victim,
            ExitStack() as rest,
        ):
            for _ in range(count - 1):
                rest.enter_context(worker(url, folder / f"journal-{size}", "--is-forgetful"))
            await until(is_half_done)
            victim.kill()
            victim.wait()
            if count == 1:
                rest.enter_context(worker(url, folder / f"journal-{size}", "--is-forgetful"))
            await until(is_settled)
        calls = Counter(entry.key for entry in journal.entries())
        statement = select(func.count()).where(
            DELIVERY.c.message_id == message_id, DELIVERY.c.call_status == NO_RESPONSE
        )
        async with database.reading() as connection:
            marked = await connection.scalar(statement) or 0
        twice = sum(times > 1 for times in calls.values())
        forgotten = max(size - len(calls) - marked, 0)
        print(
            f"{database.engine.dialect.name}, {count} worker(s), one killed: {size:,} deliveries, {len(calls):,} calls,"
            f" {twice} twice, {forgotten} forgotten, {marked} marked as unsure,"
            f" {time.perf_counter() - began:.0f} s",
            flush=True,
        )
        assert not twice
        assert not forgotten
        journal.close()
    await database.dispose()


async def pace(url: str, folder: Path, *, rows: Sequence[int], count: int) -> None:
    """Print the rate of hand-overs to a provider with the limit `PER_SECOND`."""
    database = Database(url)
    await migrations.upgrade(database)
    for size in rows:
        message_id = await load(database, size, name=f"M-{size}")
        journal = folder / f"journal-{size}"

        async def is_done(message_id: int = message_id) -> bool:
            return await pending(database, message_id) == 0

        with workers(count, url, journal, "--per-second", str(PER_SECOND)):
            await until(is_done)
        reached = rate(Journal(journal).entries())
        print(
            f"{database.engine.dialect.name}, {count} worker(s), {size:,} calls at {PER_SECOND:.0f} a second:"
            f" {reached:.1f} a second, {reached / PER_SECOND - 1:+.1%}",
            flush=True,
        )
    await database.dispose()


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dispatch", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "what", nargs="?", default="speed", choices=["speed", "cancel", "kill", "pace", "work"]
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000], help="of each message")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--url", help="an empty database; otherwise a SQLite file")
    parser.add_argument("--journal", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--per-second", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--is-forgetful", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = options.url or f"sqlite+aiosqlite:///{folder / 'sentlog.sqlite3'}"
        if options.workers > 1 and url.startswith("sqlite"):
            parser.error("on SQLite one process works: give --url for more workers")
        runs: dict[str, Callable[[], Any]] = {
            "speed": lambda: speed(url, folder, rows=options.rows, count=options.workers),
            "cancel": lambda: cancel(url, folder, rows=options.rows),
            "kill": lambda: kill(url, folder, rows=options.rows, count=options.workers),
            "pace": lambda: pace(url, folder, rows=options.rows, count=options.workers),
            "work": lambda: work(
                url,
                options.journal,
                per_second=options.per_second,
                is_forgetful=options.is_forgetful,
            ),
        }
        asyncio.run(runs[options.what]())


if __name__ == "__main__":
    main()
