"""The processes of an installation, and measurements of them from outside."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2
from sqlalchemy import text

from db.connect.database import Database
from tests.postgres import find_programs, running_postgres

OWN_NAME: Final = "soak"
"""The application name of our own connections, which are not counted."""

KILLED: Final = ("server-2", "worker")

AT_REST: Final = 10.0
"""Seconds after which all work in flight has ended."""

_OF_OTHERS: Final = (
    "FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
    f" AND application_name <> '{OWN_NAME}'"
)

SENTLOG: Final = [
    sys.executable,
    "-c",
    "from server.cli.main import main; main(prog_name='sentlog')",
]


class Process:
    """A running command that is restarted after a kill."""

    def __init__(self, *arguments: str, environment: Mapping[str, str], log: Path) -> None:
        self._arguments = arguments
        self._environment = environment
        self._log = log
        self.kills = 0
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*SENTLOG, *self._arguments],
                env={**os.environ, **self._environment},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """Kill it as in a power failure, and restart it."""
        self.process.kill()
        self.process.wait()
        self.kills += 1
        self.start()

    def stop(self) -> int:
        """Stop it, and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    @property
    def memory(self) -> float:
        """Its memory in MiB; 0 between a kill and a restart."""
        with suppress(OSError, StopIteration, ValueError):
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
            return int(line.split()[1]) / 1024
        return 0.0


@dataclass
class Seen:
    """The measurements: memory and connections under load, and connections at rest before and after."""

    before: Mapping[str, int]
    """Connections of each process before the load."""
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Seconds since the start, and MiB."""
    connections: list[int] = field(default_factory=list)
    after: Mapping[str, int] = field(default_factory=dict)
    """Connections of each process after the load."""
    stuck: int = 0
    """Connections that were idle in a transaction after the load."""
    left: int = 0
    """Connections of processes that had stopped."""


async def connections(database: Database) -> Mapping[str, int]:
    """Return the number of database connections of each process, by its name."""
    asked = text(f"SELECT application_name, count(*) {_OF_OTHERS} GROUP BY application_name")
    async with database.engine.connect() as connection:
        return dict((await connection.execute(asked)).tuples().all())


async def stuck(database: Database) -> int:
    """Return how many connections have been idle in a transaction for some seconds."""
    asked = text(
        f"SELECT count(*) {_OF_OTHERS} AND state LIKE 'idle in transaction%'"
        f" AND state_change < clock_timestamp() - interval '{AT_REST:g} seconds'"
    )
    async with database.engine.connect() as connection:
        return int((await connection.execute(asked)).scalar_one())


async def left(database: Database) -> int:
    """Return how many connections of stopped processes are left, after PostgreSQL had time to notice their end."""
    number = 0
    for _ in range(int(AT_REST / 0.1)):
        number = sum((await connections(database)).values())
        if not number:
            break
        await asyncio.sleep(0.1)
    return number


async def measure(processes: Mapping[str, Process], database: Database, seen: Seen) -> None:
    began = time.monotonic()
    while True:
        for name, process in processes.items():
            place = (time.monotonic() - began, process.memory)
            seen.memory.setdefault(name, []).append(place)
        seen.connections.append(sum((await connections(database)).values()))
        await asyncio.sleep(2)


async def kill(processes: Mapping[str, Process], address: str, *, every: float) -> None:
    """Kill the given processes repeatedly."""
    while True:
        await asyncio.sleep(every)
        for name in KILLED:
            processes[name].kill()
        await answers(address)


async def answers(address: str) -> None:
    """Wait until a server is ready."""
    async with httpx2.AsyncClient() as client:
        while True:
            with suppress(httpx2.TransportError):
                if (await client.get(f"{address}/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.1)


def called(url: str, name: str) -> str:
    """Return the URL of the same database with this application name."""
    return f"{url}{'&' if '?' in url else '?'}application_name={name}"


@contextmanager
def database(url: str | None) -> Iterator[str]:
    """Return the given URL, or that of a server that is started for the block."""
    if url:
        yield url
        return
    programs = find_programs()
    if programs is None:
        sys.exit("no PostgreSQL programs: install postgresql, or give --url")
    with running_postgres(programs) as own:
        yield own


def free_port() -> int:
    """Return a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
