"""A whole installation under mixed load for some minutes, of which one server and the worker are killed every minute.

    python -m benchmarks.soak [--minutes 10] [--kill-every 60] [--url postgresql+psycopg://…/EMPTY_DATABASE] [--write]

Two servers and a worker on PostgreSQL, each a process of its own; without a URL a PostgreSQL is started for it. Clients search,
open, take messages in, cancel, refresh, ask for reports and fetch them, and watch messages by WebSocket and as events. Every
minute the second server and the worker get SIGKILL and are started again; the first server lives all the time, and shows
whether its memory grows. What was answered as done is looked for in the database and in the provider's journal at the end:
this fails where anything of it is missing. `--write` writes `benchmarks/soak.md` anew, whatever came of it.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.sign_in import environment, token
from benchmarks.soak.clients import COMES_DUE, DISTRICT, Clients, utc_now
from benchmarks.soak.findings import Outcome, leaks, missing, page, told
from benchmarks.soak.installation import (
    OWN_NAME,
    Process,
    Seen,
    answers,
    called,
    connections,
    database,
    free_port,
    kill,
    left,
    measure,
    stuck,
)
from db import migrations
from db.connect.engine import make_engine
from resolvers.ingest.ingest import ingest
from server.sample.generate import lines as sample

PAGE: Final = Path(__file__).parents[1] / "soak.md"
SIMULATED: Final = '{"EMAIL":"simulator","VOICE":"simulator","TEXT":"simulator"}'
SHOWN: Final = 40
"""Faults that are printed, of all that there are."""


def say(what: str) -> None:
    """Tell whoever waits how far it is."""
    print(f"{utc_now():%H:%M:%S} {what}", file=sys.stderr, flush=True)


async def soak(url: str, *, minutes: float, every: float, folder: Path) -> Outcome:
    """Run it all, and what came of it."""
    await fill(url)
    own = make_engine(called(url, OWN_NAME))
    log = folder / "log"
    with ExitStack() as running:
        addresses, processes = started(url, folder=folder, log=log)
        for process in processes.values():
            running.callback(process.stop)
        for address in addresses:
            await answers(address)
        clients = Clients(addresses, token(DISTRICT), chance=random.Random(1))
        await know_some(clients)
        seen = Seen(before=await connections(own))
        say("all is ready")
        broken = await under_load(clients, processes, own, seen, minutes=minutes, every=every)
        unread = await settled(clients)
        say("looking at what is there")
        seen.after, seen.stuck = await connections(own), await stuck(own)
        lost = await missing(own, clients, folder / "simulator.ndjson")
        statuses = {name: process.stop() for name, process in processes.items()}
        seen.left = await left(own)
        await clients.close()
    await own.dispose()
    say(f"stopped, with {statuses}")
    wrong = [*broken, *clients.faults, *lost, *unread, *errors_in(log), *leaks(seen)]
    figures = told(clients, seen, processes, minutes=minutes)
    return Outcome(page(figures, wrong, minutes=minutes, every=every, at=utc_now()), wrong)


async def fill(url: str) -> None:
    """The log of a year, so that there is something to look for."""
    engine = make_engine(url)
    await migrations.upgrade(engine)

    async def history() -> AsyncIterator[bytes]:
        yield b"".join(sample(messages=500, recipients=20, seed=1))

    outcome = await ingest(engine, history(), viewer=None, clock=utc_now)
    assert outcome.is_clean, outcome.problems[:3]
    await engine.dispose()


def started(url: str, *, folder: Path, log: Path) -> tuple[list[str], dict[str, Process]]:
    """The addresses of two servers, and these with a worker beside them: all of them run."""
    ports = [free_port(), free_port()]
    commands = {
        "server-1": ("serve", "--port", str(ports[0])),
        "server-2": ("serve", "--port", str(ports[1])),
        "worker": ("worker",),
    }
    gateways = {"SENTLOG_GATEWAYS": SIMULATED}
    processes = {
        name: Process(
            *arguments, environment=environment(called(url, name), folder) | gateways, log=log
        )
        for name, arguments in commands.items()
    }
    return [f"http://127.0.0.1:{port}" for port in ports], processes


async def know_some(clients: Clients) -> None:
    """Let the clients find messages that they can open."""
    while not clients.ids:
        await clients.search()
        if clients.faults:
            sys.exit(clients.faults[0])


async def under_load(
    clients: Clients,
    processes: Mapping[str, Process],
    own: AsyncEngine,
    seen: Seen,
    *,
    minutes: float,
    every: float,
) -> list[str]:
    """Let everybody ask for some minutes while processes are killed; what broke of the load itself."""
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
    going = [clients.go_on(act, pause=pause) for act, pause, times in acts for _ in range(times)]
    going += [
        measure(processes, own, seen),
        kill(processes, clients.addresses[1], every=every),
    ]
    tasks = [asyncio.ensure_future(one) for one in going]
    await asyncio.wait(tasks, timeout=minutes * 60, return_when=asyncio.FIRST_EXCEPTION)
    say(f"the load ends: {dict(clients.done)}, cut: {dict(clients.cut)}")
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return [repr(one) for one in results if isinstance(one, Exception)]


async def settled(clients: Clients) -> list[str]:
    """Wait until everything that was asked for should have been done; the reports that are not."""
    for address in clients.addresses:
        await answers(address)
    say(f"reading {len(clients.kept.reports)} reports")
    unread = [id for id in sorted(clients.kept.reports) if not await clients.fetch(id)]
    await asyncio.sleep(COMES_DUE.total_seconds())  # now every message is due
    return [f"report {id}: never ready" for id in unread]


def errors_in(log: Path) -> list[str]:
    """What the processes themselves called an error."""
    return [line for line in log.read_text().splitlines() if '"level": "error"' in line]


def main() -> None:
    """Read the options, and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kill-every", type=float, default=60.0, help="seconds")
    parser.add_argument("--url", help="of an empty database of PostgreSQL")
    parser.add_argument("--write", action="store_true", help="write soak.md anew")
    options = parser.parse_args()
    with database(options.url) as url, tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(
            soak(url, minutes=options.minutes, every=options.kill_every, folder=Path(folder))
        )
    print(outcome.page)
    for line in outcome.wrong[:SHOWN]:
        print("WRONG", line, file=sys.stderr)
    if options.write:
        PAGE.write_text(outcome.page, encoding="utf-8")
    if outcome.wrong:
        sys.exit("something that was answered as done is not there, or something failed: see above")


if __name__ == "__main__":
    main()
