"""The runner for a SQLite file: tasks in the one process that serves it.

It stores nothing: at start it finds all work in the rows. The caller makes sure that only one runner works on the file.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final

import structlog
from sqlalchemy import Connection, event

from db.connect.unavailable import AWAY, cause
from db.dispatch import backlog
from db.reports import jobs
from db.sql.connections import ReadConnection, WriteConnection
from delivery.dispatch.due_work import Job
from delivery.dispatch.runtime import Runtime
from delivery.dispatch.settlement import settle_lapsed
from delivery.receipts.polling import poll_due
from delivery.reports.jobs import RenderJob, ReportRuntime, expire, find_render_jobs
from delivery.runners.base import Attempt, Runner, attempt, attempt_report, find_work, wait
from domain.status import DeliveryMode

CONCURRENT_JOBS: Final = 3
"""Concurrent jobs. SQLite has one writer."""

CONNECTIONS: Final = CONCURRENT_JOBS * len(DeliveryMode) + 4
"""Connections that it uses at once: 3 jobs with at most 4 gateways each, and one each to look, settle, expire and report."""

SHARE: Final = 10
"""The pause after a round, in multiples of the round's time: rounds take at most a tenth of a core."""

_log = structlog.get_logger(__name__)


class LocalRunner(Runner):
    """Runs jobs in this process. Call `work` once."""

    def __init__(
        self,
        runtime: Runtime,
        report_runtime: ReportRuntime,
        *,
        pause: float = 1.0,
        rest: float = 15.0,
        grace: float = 20.0,
    ) -> None:
        """Set the times, in seconds.

        `pause` is between two rounds. `rest` is before a failed or empty job is tried again. `grace` is what running jobs
        have when the runner stops.
        """
        self._runtime = runtime
        self._press = report_runtime
        self._pause = pause
        self._rest = rest
        self._grace = grace
        self._announced = asyncio.Event()
        self._queue = JobQueue()
        self._reports = asyncio.Queue[RenderJob | None]()
        """None ends the worker."""
        self._known = set[Job | RenderJob]()
        """Jobs that are queued, running or resting: they are not queued a second time."""

    async def announce(self, connection: WriteConnection, job: RenderJob | None = None) -> None:
        def wake(_: Connection) -> None:
            self._announced.set()

        assert connection.sync_connection is not None
        event.listen(connection.sync_connection, "commit", wake, once=True)

    async def has_workers(self, connection: ReadConnection) -> bool:
        return True  # the process that serves the file is the worker

    async def work(self, until: asyncio.Event) -> None:
        # Before the first new claim: the process that made the existing claims is gone.
        await self._repeat(self._end_leases, until, once=True)
        tasks = [
            asyncio.ensure_future(self._repeat(self._look, until, self._announced)),
            asyncio.ensure_future(self._repeat(self._settle, until)),
            asyncio.ensure_future(self._repeat(self._expire, until)),
            *(asyncio.ensure_future(self._work_off(until)) for _ in range(CONCURRENT_JOBS)),
            asyncio.ensure_future(self._make_reports(until)),
        ]
        try:
            await until.wait()
            self._queue.close()
            self._reports.put_nowait(None)
            await asyncio.wait(tasks, timeout=self._grace)
        finally:
            # The next process on this file settles what is interrupted here.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end_leases(self) -> None:
        async with self._runtime.database.writing() as connection:
            await backlog.end_leases(connection)
            await jobs.end_leases(connection)

    async def _look(self) -> None:
        if self._announced.is_set():
            self._announced.clear()
            # The event is set right before the commit. Wait for the writer, so that its rows are visible.
            async with self._runtime.database.writing():
                pass
        for report in await find_render_jobs(self._press):
            if report not in self._known:
                self._known.add(report)
                self._reports.put_nowait(report)
        for job in await find_work(self._runtime):
            if job not in self._known:
                self._known.add(job)
                self._queue.add(job)

    async def _settle(self) -> None:
        await settle_lapsed(self._runtime)
        await poll_due(self._runtime)

    async def _expire(self) -> None:
        await expire(self._press)

    async def _work_off(self, until: asyncio.Event) -> None:
        while (job := await self._queue.take()) is not None:
            outcome = await attempt(self._runtime, job, until=until)
            if outcome is Attempt.BROKEN_OFF:
                self._queue.add(job)
            else:
                self._forget(job, outcome)

    async def _make_reports(self, until: asyncio.Event) -> None:
        """Make reports, one at a time: rendering takes a whole core."""
        while (job := await self._reports.get()) is not None and not until.is_set():
            self._forget(job, await attempt_report(self._press, job, until=until))

    def _forget(self, job: Job | RenderJob, outcome: Attempt) -> None:
        """Allow the job to be queued again: at once if it was done, otherwise after `rest`."""
        if outcome is Attempt.DONE:
            self._known.discard(job)
        else:
            asyncio.get_running_loop().call_later(self._rest, self._known.discard, job)

    async def _repeat(
        self,
        run_round: Callable[[], Awaitable[None]],
        until: asyncio.Event,
        *awake: asyncio.Event,
        once: bool = False,
    ) -> None:
        """Run rounds until the event is set, or with `once` until one succeeds. A long round has a long pause after it."""
        now = asyncio.get_running_loop().time
        while not until.is_set():
            began = now()
            try:
                await run_round()
            except AWAY as error:
                _log.warning(
                    "a round of background work failed: the database is unavailable",
                    reason=cause(error),
                )
                await wait(self._rest, until)
                continue
            except Exception:
                _log.exception("a round of background work failed")
                await wait(self._rest, until)
                continue
            if once:
                return
            await wait(max(self._pause, SHARE * (now() - began)), until, *awake)


class JobQueue:
    """A queue of jobs in which messages take turns; within a message the lowest chunk comes first."""

    def __init__(self) -> None:
        self._jobs = set[Job]()
        self._times = count(1)
        self._served: dict[int, int] = {}
        """The number of each message's last turn; cleared when the queue is empty."""
        self._ready = asyncio.Semaphore(0)
        self._is_closed = False

    def add(self, job: Job) -> None:
        """Queue a job that is not in the queue."""
        self._jobs.add(job)
        self._ready.release()

    def close(self) -> None:
        """Close the queue: `take` returns None from now on."""
        self._is_closed = True
        self._ready.release()

    async def take(self) -> Job | None:
        """Wait for the next job and return it; None if the queue is closed."""
        await self._ready.acquire()
        if self._is_closed:
            self._ready.release()  # wakes the next waiter
            return None
        job = min(self._jobs, key=self._rank)
        self._jobs.remove(job)
        if self._jobs:
            self._served[job.message_id] = next(self._times)
        else:
            self._served.clear()
        return job

    def _rank(self, job: Job) -> tuple[int, int, int]:
        return self._served.get(job.message_id, 0), job.chunk, job.message_id
