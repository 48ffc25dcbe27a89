"""Measures the start time of a server, and the memory of its process: idle, and after lists of 4,000 messages.

    python -m benchmarks.start [--rounds 5] [--url postgresql+psycopg://…/EMPTY_DATABASE]

Without a URL: a SQLite file in a temporary folder. The time is from the command to the first HTTP response on a migrated
database. Memory is VmRSS of Linux, with sixteen concurrent clients of the list.
"""

import argparse
import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import httpx2

from benchmarks.execution import LIST, fill
from benchmarks.sign_in import environment, token
from db.connect.database import Database

CLIENTS: Final = 16
LISTS: Final = 160
PATIENCE: Final = 60.0


class Started(NamedTuple):
    """A running server."""

    address: str
    process: int
    seconds: float


@contextmanager
def started(url: str, folder: Path) -> Iterator[Started]:
    """Run a server on a free port for the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("sentlog")), "serve", "--port", str(port)]
    began = time.perf_counter()
    with subprocess.Popen(command, env=os.environ | environment(url, folder)) as child:
        try:
            while not _answers(address):
                if child.poll() is not None or time.perf_counter() - began > PATIENCE:
                    sys.exit("the server does not start")
                time.sleep(0.005)
            yield Started(address, child.pid, time.perf_counter() - began)
        finally:
            child.send_signal(signal.SIGTERM)


def _answers(address: str) -> bool:
    try:
        return httpx2.post(f"{address}/graphql", json={"query": "{ __typename }"}).status_code < 500
    except httpx2.TransportError:
        return False


def memory(process: int) -> float:
    """Return the memory of a process in MiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


async def ask(address: str) -> None:
    """Request the list repeatedly with this many concurrent clients."""
    limits = httpx2.Limits(max_connections=CLIENTS)
    headers = {"authorization": f"Bearer {token('d')}"}
    async with httpx2.AsyncClient(base_url=address, headers=headers, limits=limits) as client:

        async def lists() -> None:
            for _ in range(LISTS // CLIENTS):
                answer = await client.post(
                    "/graphql", json={"query": LIST % 4_000}, timeout=PATIENCE
                )
                assert len(answer.json()["data"]["messages"]["nodes"]) == 4_000, answer.text[:500]

        await asyncio.gather(*(lists() for _ in range(CLIENTS)))


async def filled(url: str, folder: Path) -> None:
    """Load 4,000 messages."""
    database = Database(url)
    await fill(database, folder)
    await database.dispose()


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--url", help="an empty database; otherwise a SQLite file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = options.url or f"sqlite+aiosqlite:///{folder / 'sentlog.sqlite3'}"
        asyncio.run(filled(url, folder))
        seconds, idle, after = [], [], []
        for _ in range(options.rounds):
            with started(url, folder) as server:
                seconds.append(server.seconds)
                idle.append(memory(server.process))
                asyncio.run(ask(server.address))
                after.append(memory(server.process))
        print(f"{'start to first answer':32} {statistics.median(seconds):6.2f} s")
        print(f"{'memory, idle':32} {statistics.median(idle):6.0f} MiB")
        print(f"{f'memory, after {LISTS} lists':32} {statistics.median(after):6.0f} MiB")


if __name__ == "__main__":
    main()
