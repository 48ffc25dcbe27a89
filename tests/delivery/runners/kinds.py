"""Tools for tests of runners: the runner for a database, with short times, and functions that wait for its work.

They do not sleep: they wait for a commit, with a timeout.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from db.connect.database import Database
from db.connect.notices import Notices
from delivery.dispatch.runtime import Runtime
from delivery.reports.jobs import RenderJob, ReportRuntime
from delivery.runners.base import Runner
from delivery.runners.local import LocalRunner
from delivery.runners.procrastinate import ProcrastinateRunner
from domain.ids import Kind, spell
from domain.status import DeliveryStatus
from tests.delivery.reports.printing import printing
from tests.delivery.world import World

PATIENCE: Final = 60.0
"""Timeout in seconds: a test that waits longer fails."""

ROOT: Final = Path(__file__).parents[3]

EVERY_SECOND: Final = "* * * * * *"
NEVER: Final = "0 0 29 2 *"
"""On February 29: cron has no "never"."""


def runner_of(
    runtime: Runtime,
    report_runtime: ReportRuntime | None = None,
    *,
    has_rounds: bool = True,
    grace: float = PATIENCE,
) -> Runner:
    """Return the runner for the runtime's database. Without rounds it looks for work only at its start and on announcements."""
    report_runtime = report_runtime or printing(runtime.database, Path(os.devnull))
    if not runtime.database.is_postgresql:
        pause = 0.02 if has_rounds else 2 * PATIENCE
        return LocalRunner(runtime, report_runtime, pause=pause, rest=0.05, grace=grace)
    return ProcrastinateRunner(
        runtime,
        report_runtime,
        every=EVERY_SECOND if has_rounds else NEVER,
        pause=0.05,
        grace=grace,
        heartbeat=0.2,
        dead_after=1.0,
    )


@asynccontextmanager
async def at_work(runner: Runner) -> AsyncIterator[asyncio.Event]:
    """Run the runner during the block. Yield the event that stops it, which is set at the end of the block."""
    until = asyncio.Event()
    task = asyncio.create_task(runner.work(until))
    try:
        yield until
    finally:
        until.set()
        async with asyncio.timeout(PATIENCE):
            await task


async def announce(database: Database, runner: Runner, job: RenderJob | None = None) -> None:
    """Announce work in a separate transaction."""
    async with database.writing() as connection:
        await runner.announce(connection, job)


async def holds(database: Database, condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds; check it after each commit of this process."""
    committed = asyncio.Event()
    with database.after_commits(committed.set):
        async with asyncio.timeout(PATIENCE):
            while not await condition():
                await committed.wait()
                committed.clear()


async def holds_anywhere(
    database: Database,
    id: int,
    condition: Callable[[], Awaitable[bool]],
    *,
    kind: Kind = Kind.MESSAGE,
) -> None:
    """Wait until a condition holds; check it after each notice of any process about the message, or other `kind`."""
    notices = Notices(database, sleep=lambda seconds: asyncio.sleep(seconds / 20))
    async with notices.listening(), asyncio.timeout(PATIENCE):
        with notices.watch(spell(kind, id)) as watch:
            while not await condition():
                await watch.changed()


async def all_handed_over(database: Database, message_id: int) -> None:
    """Wait until a message has no pending delivery."""

    async def nothing_is_pending() -> bool:
        return DeliveryStatus.PENDING.value not in await World(database).statuses(message_id)

    await holds(database, nothing_is_pending)


@contextmanager
def worker(
    database_url: str, journal: Path, *, seconds: float = 0.05
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker process whose provider answers within `seconds`. It is stopped at the end and must exit with 0."""
    arguments = [database_url, str(journal), str(seconds)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.delivery.processes.worker_process", *arguments], cwd=ROOT
    )
    try:
        yield process
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
