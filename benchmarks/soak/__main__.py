"""A whole installation under mixed load for some minutes, of which one server and the worker are killed every minute.

    python -m benchmarks.soak [--minutes 10] [--kill-every 60] [--url postgresql+psycopg://…/EMPTY_DATABASE] [--write]

Two servers and a worker on PostgreSQL, each a process of its own; without a URL a PostgreSQL is started for it. Clients search,
open, take messages in, cancel, refresh, ask for reports and fetch them, and watch messages by WebSocket and as events. Every
minute the second server and the worker get SIGKILL and are started again; the first server lives all the time, and shows
whether its memory grows. What was answered as done is looked for in the database and in the provider's journal at the end:
this fails where anything of it is missing. `--write` puts the figures into `benchmarks/soak.md`.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from benchmarks.soak.clients import COMES_DUE, DISTRICT, Clients, utc_now
from benchmarks.soak.findings import missing, told
from benchmarks.soak.installation import (
    Process,
    Seen,
    answers,
    connections,
    database,
    free_port,
    kill,
    measure,
)
from db import migrations
from db.engine import make_engine
from domain.viewer import Right
from resolvers.ingest import ingest
from server.sample.generate import lines as sample
from server.settings import Settings
from server.tokens import make_token

PAGE: Final = Path(__file__).parents[1] / "soak.md"
KEY: Final = "the key of a benchmark, which signs nothing that anybody else would take"
POOLED: Final = 3 * 15
"""Connections that two servers and a worker may hold while nobody asks: their pools, and those that listen."""


def say(what: str) -> None:
    """Tell whoever waits how far it is."""
    print(f"{utc_now():%H:%M:%S} {what}", file=sys.stderr, flush=True)


async def soak(url: str, *, minutes: float, every: float, folder: Path) -> tuple[str, bool]:
    """Run it all; the table, and whether all is well."""
    engine = make_engine(url)
    await migrations.upgrade(engine)

    async def history() -> AsyncIterator[bytes]:
        yield b"".join(sample(messages=500, recipients=20, seed=1))

    outcome = await ingest(engine, history(), viewer=None, clock=utc_now)
    assert outcome.is_clean, outcome.problems[:3]
    own = make_engine(f"{url}{'&' if '?' in url else '?'}application_name=soak")
    environment = {
        "SENTLOG_DATABASE_URL": url,
        "SENTLOG_DATA_DIR": str(folder),
        "SENTLOG_JWT_KEY": KEY,
        "SENTLOG_GATEWAYS": '{"EMAIL":"simulator","VOICE":"simulator","TEXT":"simulator"}',
        "SENTLOG_BUDGET_CAPACITY": str(10**9),
        "SENTLOG_BUDGET_PER_SECOND": str(10**8),
        "SENTLOG_LOG_LEVEL": "warning",
    }
    token = make_token(
        Settings(jwt_key=SecretStr(KEY)),
        id="u",
        name="Administrator",
        district=DISTRICT,
        schools=frozenset(),
        rights=frozenset(Right),
        expires_in=timedelta(hours=2),
        now=utc_now(),
    )
    ports = [free_port(), free_port()]
    addresses = [f"http://127.0.0.1:{port}" for port in ports]
    log = folder / "log"
    with ExitStack() as running:
        processes = {
            name: Process(*arguments, environment=environment, log=log)
            for name, arguments in [
                ("server 1", ("serve", "--port", str(ports[0]))),
                ("server 2", ("serve", "--port", str(ports[1]))),
                ("worker", ("worker",)),
            ]
        }
        for process in processes.values():
            running.callback(process.stop)
        for address in addresses:
            await answers(address)
        clients = Clients(addresses, token, chance=random.Random(1))
        while not clients.ids:
            await clients.search()
            if clients.faults:
                sys.exit(clients.faults[0])
        await engine.dispose()
        before = await connections(own)
        say("all is ready")
        seen = Seen()
        acts: list[tuple[Callable[[], Awaitable[Any]], float, int]] = [
            (clients.search, 0.1, 2),
            (clients.open, 0.1, 2),
            (clients.take_in, 0.5, 1),
            (clients.cancel, 0.5, 1),
            (clients.refresh, 0.5, 1),
            (clients.report, 1.0, 2),
            (clients.watch_frames, 0.5, 4),
            (clients.watch_events, 0.5, 4),
        ]
        tasks = [
            asyncio.ensure_future(clients.go_on(act, pause=pause))
            for act, pause, times in acts
            for _ in range(times)
        ]
        tasks.append(asyncio.ensure_future(measure(processes, own, seen)))
        tasks.append(asyncio.ensure_future(kill(processes, addresses[1], every=every)))
        await asyncio.wait(tasks, timeout=minutes * 60, return_when=asyncio.FIRST_EXCEPTION)
        say(f"the load ends: {dict(clients.done)}, cut: {dict(clients.cut)}")
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        broken = [repr(one) for one in results if isinstance(one, Exception)]
        for address in addresses:
            await answers(address)
        say(f"reading {len(clients.kept.reports)} reports")
        unread = [id for id in sorted(clients.kept.reports) if not await clients.fetch(id)]
        await asyncio.sleep(COMES_DUE.total_seconds())  # now every message is due
        say("looking at what is there")
        after = await connections(own)
        lost = await missing(own, clients, folder / "simulator.ndjson")
        lost += [f"report {id}: never ready" for id in unread]
        statuses = {name: process.stop() for name, process in processes.items()}
        left = await connections(own)
        await clients.close()
    await own.dispose()
    errors = [line for line in log.read_text().splitlines() if '"level": "error"' in line]
    wrong = [*broken, *clients.faults, *lost, *errors]
    table = told(
        clients, seen, processes, minutes=minutes, counts=(before, after, left), wrong=wrong
    )
    print(statuses, file=sys.stderr)
    for line in wrong[:40]:
        print("WRONG", line, file=sys.stderr)
    return table, not wrong and after <= max(before, POOLED) and left == 0


def main() -> None:
    """Read the options, and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kill-every", type=float, default=60.0, help="seconds")
    parser.add_argument("--url", help="of an empty database of PostgreSQL")
    parser.add_argument("--write", action="store_true", help="put the figures into soak.md")
    options = parser.parse_args()
    with database(options.url) as url, tempfile.TemporaryDirectory() as folder:
        table, is_well = asyncio.run(
            soak(url, minutes=options.minutes, every=options.kill_every, folder=Path(folder))
        )
    print(table)
    if options.write:
        text_of = PAGE.read_text(encoding="utf-8")
        head, mark, _ = text_of.partition("<!-- figures -->\n")
        PAGE.write_text(f"{head}{mark}\n{table}\n", encoding="utf-8")
    if not is_well:
        sys.exit("something that was answered as done is not there, or something failed: see above")


if __name__ == "__main__":
    main()
