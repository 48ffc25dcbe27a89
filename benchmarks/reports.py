"""Measures reports end to end: the latency of a search while a report is made, and the memory of making one.

    python -m benchmarks.reports [--rows 200000] [--searches 300]

A message with this many delivery rows, and one with a tenth of them, each in a SQLite file in a temporary folder. The
search runs over GraphQL in the process that starts the report, as in a server: first without a report, then during a
report of each format. The memory of family reports is measured on a person with 10,000 messages, and one with 1,000.
Memory is that of the process that makes the report, above its idle memory after all imports.
`benchmarks.renderers` measures the renderers alone.
"""

import argparse
import asyncio
import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import orjson
import structlog

from benchmarks.large_log import build, size_of
from benchmarks.renderers import high_water
from db import migrations
from db.connect.database import Database
from db.reports.jobs import ReportJob
from db.reports.records import ReportRequest, message_state, request_report
from db.reports.subjects import FamilySubject, encode
from delivery.reports.child import render_in_process
from delivery.reports.jobs import RenderJob, ReportRuntime, make_report
from delivery.reports.process import RenderOrder, make
from delivery.reports.start import ForkServer
from delivery.reports.store import StoreLocation
from domain.people import Role
from domain.report import KEPT, ReportChoice, ReportDetail, ReportDevice, ReportFormat
from domain.viewer import Right, Viewer
from resolvers.request.context import open_context
from schema.contract import SCHEMA
from tests.log import district, email, load, message, recipient, voice

MESSAGES: Final = 2_000
CROWD: Final = 1
"""The message with the rows."""

MOST: Final = 10_000
"""Messages to the person of the larger family report."""

FIRST: Final = datetime(2020, 1, 1, tzinfo=UTC)
FAMILY: Final = FamilySubject(
    person_id=1,
    role=Role.CONTACT,
    first_day=date(2020, 1, 1),
    last_day=date(2020, 12, 31),
    created=(FIRST, FIRST + timedelta(days=366)),
    school_ids=None,
)

ZONE: Final = "America/Chicago"
BETWEEN: Final = 0.01
"""Seconds between two searches: a server in normal use, not an overloaded one."""

VIEWER: Final = Viewer(
    "u", "U", "plainview", frozenset(), frozenset(Right), datetime(2100, 1, 1, tzinfo=UTC)
)

SEARCH: Final = """{ messages(createdBetween: {from: "2020-01-01", to: "2022-12-31"}, first: 50) { nodes {
    id status subject sender { id name } createdAt deliveryModes } } }"""


Act = Callable[[], Awaitable[bytes]]


def log_of(rows: int, folder: Path) -> str:
    """Create a log with a message of this many delivery rows; return its URL."""
    url = f"sqlite+aiosqlite:///{folder / f'{rows}.sqlite3'}"
    crowd = rows * 2 // 5
    with contextlib.redirect_stdout(io.StringIO()):
        build(url, size_of(MESSAGES, rows + 10 * MESSAGES, crowd))
    return url


# The latency of a search


def searching(database: Database) -> Act:
    """Execute the search in a new context and encode the result, as for a request."""

    async def search() -> bytes:
        context = await open_context(database, VIEWER, now=datetime.now(UTC))
        result = await SCHEMA.execute(SEARCH, context_value=context)
        assert result.errors is None, result.errors
        return orjson.dumps({"data": result.data})

    return search


async def search_times(
    search: Act, *, until: asyncio.Future[bool] | None, most: int
) -> list[float]:
    """Return the milliseconds of `most` searches, or of those until `until` is done."""
    taken: list[float] = []
    while len(taken) < most and not (until is not None and until.done()):
        began = time.perf_counter()
        await search()
        taken.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(BETWEEN)
    return taken


async def wait_of_search(url: str, folder: Path, *, searches: int) -> None:
    """Print one line per format: the search alone, the search beside the report, and their ratios."""
    database = Database(url)
    forks = ForkServer()
    await forks.start()
    report_runtime = ReportRuntime(
        database=database,
        place=StoreLocation(str(folder)),
        clock=lambda: datetime.now(UTC),
        render=partial(render_in_process, start=forks.fork),
    )
    search = searching(database)
    await search_times(search, until=None, most=20)
    print(
        f"{'search, ms':10}{'alone p50':>12}{'p99':>8}{'beside p50':>12}{'p99':>8}{'p50':>8}{'p99':>8}"
    )
    for format in ReportFormat:
        alone = await search_times(search, until=None, most=searches)
        job = RenderJob(await _ask(report_runtime, format))
        began = time.perf_counter()
        work = asyncio.ensure_future(make_report(report_runtime, job, until=asyncio.Event()))
        beside = await search_times(search, until=work, most=sys.maxsize)
        assert await work
        _print_waits(format, alone, beside, time.perf_counter() - began)
    await forks.close()
    await database.dispose()


def _print_waits(
    format: ReportFormat, alone: Sequence[float], beside: Sequence[float], seconds: float
) -> None:
    (p50, p99), (beside_p50, beside_p99) = (
        (statistics.median(some), statistics.quantiles(some, n=100)[98]) for some in (alone, beside)
    )
    ratios = f"{beside_p50 / p50:>7.2f}x{beside_p99 / p99:>7.2f}x"
    print(
        f"{format:10}{p50:>12.1f}{p99:>8.1f}{beside_p50:>12.1f}{beside_p99:>8.1f}{ratios}"
        f"  {len(beside)} searches, {seconds:.0f} s"
    )


async def _ask(report_runtime: ReportRuntime, format: ReportFormat) -> int:
    now = report_runtime.clock()
    choice = ReportChoice(tuple(ReportDevice), ReportDetail.ALL, format)
    request = ReportRequest(
        message_id=CROWD,
        district_id=1,
        choice=choice,
        is_masked=False,
        time_zone=ZONE,
        file_name=f"report.{format.lower()}",
        requested_by_id="u",
        requested_by_name="U",
        requested_at=now,
        expires_at=now + KEPT,
    )
    async with report_runtime.database.writing() as connection:
        id, _ = await request_report(
            connection, request, read_state=lambda _: message_state(connection, CROWD)
        )
    return id


# Memory


def family_log_of(messages: int, folder: Path) -> str:
    """Create a log with this many messages to one person, each by voice and e-mail; return its URL."""
    url = f"sqlite+aiosqlite:///{folder / f'family {messages}.sqlite3'}"

    async def fill() -> None:
        database = Database(url)
        await migrations.upgrade(database)
        await load(database, district(), *(family_message(n) for n in range(messages)))
        await database.dispose()

    asyncio.run(fill())
    return url


def family_message(n: int) -> bytes:
    """Return the lines of a message to the person of `FAMILY`, a minute after the one before."""
    at = FIRST + timedelta(minutes=n)
    devices = (voice(call_status=5, at=at), email(at=at))
    listed = recipient("p1", *devices, name="Parent, Heather", student=("s1", "Student, Calvin"))
    return message(f"M-{n}", [listed], subject=f"Late on day {n}", created_at=at)


def memory_here(url: str, format: ReportFormat, folder: Path) -> tuple[float, float]:
    """Make a report in this process; return its peak memory in megabytes before and after."""
    is_family = "family" in url
    job = ReportJob(
        id=1,
        message_id=None if is_family else CROWD,
        district_id=1,
        devices=tuple(ReportDevice),
        detail=ReportDetail.ALL,
        format=format,
        is_masked=False,
        time_zone=ZONE,
        requested_by_name="U",
        attempts=1,
        subject=encode(FAMILY) if is_family else None,
    )
    order = RenderOrder(url, StoreLocation(str(folder)), job, f"memory.{format.lower()}")
    idle = high_water()
    asyncio.run(make(order, clock=lambda: datetime.now(UTC), report_progress=lambda percent: None))
    return idle, high_water()


def memory(url: str, format: ReportFormat, folder: Path) -> tuple[float, float]:
    """Run `memory_here` in a new process, because the peak memory of a process never decreases."""
    command = [sys.executable, "-m", "benchmarks.reports", "--memory", format, url, str(folder)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    idle, peak = json.loads(output)
    return idle, peak


def print_memory(title: str, few: str, many: str, folder: Path) -> None:
    """Print one line per format: megabytes above idle with a tenth of the rows and with all, and the growth of the peak."""
    print(f"\n{title}\n{'memory, MB':10}{'idle':>8}{'above: a tenth':>16}{'all':>8}{'growth':>9}")
    for format in ReportFormat:
        (idle, low), (idle_again, high) = (memory(url, format, folder) for url in (few, many))
        print(
            f"{format:10}{idle:>8.0f}{low - idle:>16.0f}{high - idle_again:>8.0f}{high / low - 1:>9.1%}"
        )


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reports", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument(
        "--searches", type=int, default=300, help="while nothing is made; 0: memory only"
    )
    parser.add_argument("--memory", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if options.memory:
        format, url, folder = options.memory
        print(json.dumps(memory_here(url, ReportFormat(format), Path(folder))))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = (log_of(rows, folder) for rows in (options.rows // 10, options.rows))
        if options.searches:
            asyncio.run(wait_of_search(many, folder, searches=options.searches))
        print_memory("a message", few, many, folder)
        few, many = (family_log_of(count, folder) for count in (MOST // 10, MOST))
        print_memory("a family", few, many, folder)


if __name__ == "__main__":
    main()
