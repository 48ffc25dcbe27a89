"""Measures the latency of a small query while two clients send the most expensive requests to one server process.

    python -m benchmarks.waiting [--seconds 5] [--url postgresql+psycopg://…/EMPTY_DATABASE]

These are operations that are refused (`tests.schema.documents.excessive`), operations just below the limits, each a new
document, and bodies that are not operations. The clients are separate processes. No small query should wait 250 ms.
"""

import argparse
import asyncio
import http.client
import itertools
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from graphql import get_introspection_query

from benchmarks.sign_in import environment, token
from benchmarks.soak.clients import DISTRICT
from benchmarks.soak.installation import Process, answers, database, free_port
from db import migrations
from db.connect.database import Database
from resolvers.ingest.ingest import ingest
from schema.documents.limits import LIMITS
from server.graphql import request
from server.sample.generate import lines as sample
from tests.schema.documents.excessive import EXCESSIVE

PRESSING: Final = 2
"""The number of clients that send expensive requests: one waits while the other is answered."""

_DAYS: Final = 'createdBetween: {from: "2000-01-01", to: "2100-01-01"}'
_LIST: Final = f"""{{ messages({_DAYS}, first: 4000) {{ nodes {{
    id subject body status sender {{ id name }} school {{ name }} createdAt scheduledAt }} }} }}"""
_ONE: Final = f"""messages({_DAYS}, first: 1) {{ totalCount pageInfo {{ endCursor hasNextPage }} nodes {{
    id subject body bodyFormat textBody voiceScript replyTo revision status createdAt scheduledAt sender {{ id name }} school {{ id name }} }} }}"""
_SCREENS: Final = f"""{{ messages({_DAYS}, first: 40) {{ totalCount nodes {{ id subject deliverySummary {{ totalRecipients }}
    recipients(first: 20) {{ totalCount nodes {{ name deliveries {{ status address }} }} }} }} }} }}"""


def worst() -> Mapping[str, bytes]:
    """Return the expensive requests by name; `NUMBER` in them is a new number each time, so that no document is cached."""
    lists = " ".join(f"a{number}: {_ONE}" for number in range(LIMITS.root_fields))
    documents = {
        "nothing": "",
        **{f"refused: {name}": document for name, (document, _) in EXCESSIVE.items()},
        "4,000 messages": _LIST,
        "40 messages, 20 recipients each": _SCREENS,
        "introspection, new each time": get_introspection_query() + "#NUMBER",
        "as many lists at once as may be, new each time": f"{{ {lists} }} #NUMBER",
    }
    bodies = {
        name: json.dumps({"query": document}).encode() for name, document in documents.items()
    }
    half = request.LARGEST // 2 - 16
    return bodies | {
        "a body nested without end": b"[" * half + b"]" * half,
        "a body that is a number without end": b"1" * (2 * half),
        "variables nested without end": (
            b'{"query": "{ viewer { id } }", "variables": {"a": %s}}'
            % (b'{"a":' * 900 + b"1" + b"}" * 900)
        ),
        "a body of one text": b'{"query": "%s"}' % (b"x" * (2 * half)),
    }


def ask(line: http.client.HTTPConnection, token: str, body: bytes) -> int:
    """Return the status of the response after reading it completely."""
    headers = {
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "accept-encoding": "zstd",
    }
    try:
        line.request("POST", "/graphql", body=body, headers=headers)
        answer = line.getresponse()
        answer.read()
    except (http.client.HTTPException, OSError):  # refused before the body was read
        line.close()
        return 0
    return answer.status


def line_to(address: str) -> http.client.HTTPConnection:
    """Return a keep-alive connection."""
    return http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)


def press(address: str, token: str, body: bytes, begun: Event) -> None:
    """Send a body repeatedly until the process is ended; set `begun` after the first response."""
    line = line_to(address)
    for number in itertools.count(time.monotonic_ns()):
        ask(line, token, body.replace(b"NUMBER", b"%d" % number))
        begun.set()


def waits(address: str, token: str, seconds: float) -> Iterator[float]:
    """Yield the milliseconds of small queries, one after the other."""
    line, body = line_to(address), b'{"query": "{ viewer { id } }"}'
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        status = ask(line, token, body)
        yield (time.perf_counter() - began) * 1_000
        assert status == 200, status
        time.sleep(0.005)


def measure(address: str, token: str, *, seconds: float) -> None:
    """Print one line for each expensive request."""
    spawn = multiprocessing.get_context("spawn")
    print(f"{'a small query beside, ms':52}{'median':>8}{'p99':>8}{'longest':>9}")
    for name, body in worst().items():
        begun = [spawn.Event() for _ in range(PRESSING if name != "nothing" else 0)]
        pressing = [
            spawn.Process(target=press, args=(address, token, body, event), daemon=True)
            for event in begun
        ]
        for process in pressing:
            process.start()
        for event in begun:
            assert event.wait(60), name
        times = sorted(waits(address, token, seconds))
        for process in pressing:
            process.kill()
            process.join()
        p99 = times[int(len(times) * 0.99)]
        print(f"{name:52}{statistics.median(times):8.1f}{p99:8.1f}{times[-1]:9.1f}", flush=True)


async def fill(url: str) -> None:
    """Load a log of four thousand messages."""
    database = Database(url)
    await migrations.upgrade(database)

    async def history() -> AsyncIterator[bytes]:
        yield b"".join(sample(messages=4_000, recipients=20, seed=1))

    outcome = await ingest(database, history(), viewer=None, clock=lambda: datetime.now(UTC))
    assert outcome.is_clean, outcome.problems[:3]
    await database.dispose()


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--url", help="of an empty database of PostgreSQL")
    options = parser.parse_args()
    with database(options.url) as url, tempfile.TemporaryDirectory() as folder:
        asyncio.run(fill(url))
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        server = Process(
            *("serve", "--port", str(port)),
            environment=environment(url, Path(folder)),
            log=Path(folder) / "log",
        )
        try:
            asyncio.run(answers(address))
            measure(address, token(DISTRICT), seconds=options.seconds)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
