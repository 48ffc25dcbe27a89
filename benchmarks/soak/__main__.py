"""Runs a whole installation under mixed load for some minutes, and kills one server and the worker every minute.

    python -m benchmarks.soak [--minutes 10] [--kill-every 60] [--url postgresql+psycopg://…/EMPTY_DATABASE] [--write]

Two servers and a worker on PostgreSQL, in separate processes; without a URL a PostgreSQL is started. Clients search, open,
ingest, cancel and refresh messages, create and download reports, and watch messages over WebSocket and SSE. Every minute
the second server and the worker get SIGKILL and are restarted. The first server runs all the time, and shows whether its
memory grows. At the end, everything that was confirmed to a client must be in the database and in the provider's journal;
otherwise it fails. `--write` updates `benchmarks/soak.md`, also after a failure.
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

from benchmarks.sign_in import environment, token
from benchmarks.soak.clients import COMES_DUE, DISTRICT, Clients, utc_now
from benchmarks.soak.findings import Outcome, figures_of, leaks, missing, page
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
from db.connect.database import Database
from resolvers.ingest.ingest import ingest
from server.sample.generate import lines as sample

PAGE: Final = Path(__file__).parents[1] / "soak.md"
SIMULATED: Final = '{"EMAIL":"simulator","VOICE":"simulator","TEXT":"simulator"}'
SHOWN: Final = 40
"""The most faults that are printed."""


def say(what: str) -> None:
    """Print the progress."""
    print(f"{utc_now():%H:%M:%S} {what}", file=sys.stderr, flush=True)


async def soak(url: str, *, minutes: float, every: float, folder: Path) -> Outcome:
    """Run the whole test; return the outcome."""
    await fill(url)
    own = Database(called(url, OWN_NAME))
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
    figures = figures_of(clients, seen, processes, minutes=minutes)
    return Outcome(page(figures, wrong, minutes=minutes, every=every, at=utc_now()), wrong)


async def fill(url: str) -> None:
    """Load the log of a year, for the searches."""
    database = Database(url)
    await migrations.upgrade(database)

    async def history() -> AsyncIterator[bytes]:
        yield b"".join(sample(messages=500, recipients=20, seed=1))

    outcome = await ingest(database, history(), viewer=None, clock=utc_now)
    assert outcome.is_clean, outcome.problems[:3]
    await database.dispose()


def started(url: str, *, folder: Path, log: Path) -> tuple[list[str], dict[str, Process]]:
    """Run two servers and a worker; return the addresses of the servers, and all processes."""
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
    """Give the clients messages that they can open."""
    while not clients.ids:
        await clients.search()
        if clients.faults:
            sys.exit(clients.faults[0])


async def under_load(
    clients: Clients,
    processes: Mapping[str, Process],
    own: Database,
    seen: Seen,
    *,
    minutes: float,
    every: float,
) -> list[str]:
    """Run the clients for some minutes while processes are killed; return the faults of the load itself."""
    acts: list[tuple[Callable[[], Awaitable[Any]], float, int]] = [
        (clients.search, 0.1, 2),
        (clients.open, 0.1, 2),
        (clients.apply_receipts, 0.5, 1),
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
    """Wait until all requested work should be done; return the reports that are not."""
    for address in clients.addresses:
        await answers(address)
    say(f"reading {len(clients.kept.reports)} reports")
    unread = [id for id in sorted(clients.kept.reports) if not await clients.fetch(id)]
    await asyncio.sleep(COMES_DUE.total_seconds())  # now every message is due
    return [f"report {id}: never ready" for id in unread]


def errors_in(log: Path) -> list[str]:
    """Return the errors in the logs of the processes."""
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
