"""The runner for a PostgreSQL database: any number of workers on any machine, through procrastinate.

Its jobs are in tables beside ours and are deferred in our transactions. They are only hints: a job that failed or whose
worker died is deleted, since our rows still show the work.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Job as Hint
from procrastinate.jobs import Status

from db.connect.unavailable import AWAY, cause
from db.dispatch import backlog
from db.sql.connections import ReadConnection, WriteConnection
from delivery.dispatch.due_work import Job
from delivery.dispatch.runtime import Runtime
from delivery.dispatch.settlement import settle_lapsed
from delivery.receipts.polling import poll_due
from delivery.reports.jobs import RenderJob, ReportRuntime, expire, find_render_jobs
from delivery.runners.base import Attempt, Runner, attempt, attempt_report, find_work, wait
from domain.status import DeliveryMode

QUEUE: Final = "sentlog"
REPORTS: Final = "sentlog reports"
"""Reports have their own queue and worker: a report takes minutes, and must neither wait for chunks nor block them."""

CONCURRENT_JOBS: Final = 6
"""Concurrent jobs of one worker: hand-overs, and the periodic tasks (look, settle, rescue, expire)."""

REPORTS_AT_ONCE: Final = 1
"""Concurrent reports: rendering takes a whole core."""

CONNECTIONS: Final = CONCURRENT_JOBS * len(DeliveryMode) + REPORTS_AT_ONCE
"""Connections of the database that its jobs use at once: 6 jobs with at most 4 gateways each, and 1 report: 25.

Each gateway of a job uses one connection at a time; a periodic task and a report use one.
"""

OWN_CONNECTIONS: Final = 4
"""Connections of procrastinate's own pool, for short statements. Its two listeners have one connection each beside it."""

HAND_OVER: Final = "hand over"
PRINT: Final = "print"
LOOK: Final = "look"

# procrastinate's sixth field is the second.
EVERY_ROUND: Final = "* * * * * */5"
EVERY_MINUTE: Final = "* * * * *"

FIRST_OF_ALL: Final = 1
"""The priority of periodic tasks, before every chunk: a chunk's priority is its negative number."""

AHEAD: Final = 200
"""Most queued jobs: more than all workers together finish between two rounds."""

_log = structlog.get_logger(__name__)


class ProcrastinateRunner(Runner):
    """Announces from any process; runs jobs in processes that call `work`."""

    def __init__(
        self,
        runtime: Runtime,
        report_runtime: ReportRuntime,
        *,
        every: str = EVERY_ROUND,
        pause: float = 5.0,
        grace: float = 20.0,
        heartbeat: float = 10.0,
        dead_after: float = 30.0,
    ) -> None:
        """Set the times.

        every: when one of all workers runs a round, as cron with a sixth field for seconds
        pause: seconds to wait after the connection to the database was lost
        grace: seconds that running jobs have when the worker stops
        heartbeat: seconds between two heartbeats of a worker
        dead_after: seconds without a heartbeat after which other workers take over its jobs
        """
        self._runtime = runtime
        self._press = report_runtime
        self._pause = pause
        self._grace = grace
        self._heartbeat = heartbeat
        self._dead_after = dead_after
        self._until = asyncio.Event()
        url = runtime.database.engine.url.set(drivername="postgresql")
        self._app = App(
            connector=PsycopgConnector(
                conninfo=url.render_as_string(hide_password=False),
                min_size=1,
                max_size=OWN_CONNECTIONS,
            )
        )
        self._run_look = OneAtATime(self._look)
        self._run_settle = OneAtATime(self._settle)
        self._app.task(name=HAND_OVER, queue=QUEUE)(self._attempt)
        self._report_task = self._app.task(name=PRINT, queue=REPORTS)(self._attempt_report)
        self._look_task = self._periodic(LOOK, every, self._run_look)
        self._periodic("settle", every, self._run_settle)
        self._periodic("rescue", EVERY_MINUTE, OneAtATime(self.rescue))
        self._periodic("expire", EVERY_MINUTE, OneAtATime(self._expire))

    def _periodic(self, name: str, cron: str, run_round: "OneAtATime") -> Any:
        """Return a periodic task, of which at most one job is queued.

        It has no `lock`: with one, a job of a dead worker would block all others.
        """

        async def run(timestamp: int | None = None) -> None:
            await run_round()

        task = self._app.task(name=name, queue=QUEUE, priority=FIRST_OF_ALL)(run)
        return self._app.periodic(cron=cron, queueing_lock=name)(task)

    async def announce(self, connection: WriteConnection, job: RenderJob | None = None) -> None:
        raw = (await connection.get_raw_connection()).driver_connection
        if job is None:
            # No queueing lock: it is a unique index, and would wait for every other transaction that announces.
            await self._look_task.configure(connection=raw).defer_async()
        else:
            # With a queueing lock, since a look finds the report as well. It cannot wait: no other transaction sees the report.
            lock = hint_of(job).queueing_lock
            await self._report_task.configure(connection=raw, queueing_lock=lock).defer_async(
                **job._asdict()
            )

    async def has_workers(self, connection: ReadConnection) -> bool:
        return await backlog.has_workers(connection, within=timedelta(seconds=self._dead_after))

    async def work(self, until: asyncio.Event) -> None:
        self._until = until
        while not until.is_set():
            try:
                async with self._app.open_async():
                    await self._serve(until)
            except (*AWAY, ConnectorException) as error:
                # procrastinate's own tasks end with the connection: start the worker again.
                reason = cause(error.__cause__ or error)
                _log.warning(
                    "the worker lost its connection to the database",
                    reason=reason,
                    retry_in_s=self._pause,
                )
            except Exception:
                _log.exception("the worker failed", retry_in_s=self._pause)
            if not until.is_set():
                await wait(self._pause, until)

    async def _serve(self, until: asyncio.Event) -> None:
        concurrencies = {QUEUE: CONCURRENT_JOBS, REPORTS: REPORTS_AT_ONCE}
        workers = [
            asyncio.ensure_future(
                self._app.run_worker_async(
                    queues=[queue],
                    concurrency=concurrency,
                    delete_jobs="successful",
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=self._grace,
                    update_heartbeat_interval=self._heartbeat,
                    stalled_worker_timeout=self._dead_after,
                    # procrastinate misses a notification that arrives while it fetches a job.
                    fetch_job_polling_interval=1.0,
                )
            )
            for queue, concurrency in concurrencies.items()
        ]
        stop = asyncio.ensure_future(until.wait())
        await asyncio.wait({*workers, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        for worker in workers:
            worker.cancel()  # a graceful stop: procrastinate finishes running jobs
        for result in await asyncio.gather(*workers, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    # Tasks

    async def _attempt(self, message_id: int, chunk: int) -> None:
        job = Job(message_id, chunk)
        if await attempt(self._runtime, job, until=self._until) is Attempt.BROKEN_OFF:
            await self._defer([job])

    async def _attempt_report(self, report_id: int) -> None:
        job = RenderJob(report_id)
        if await attempt_report(self._press, job, until=self._until) is Attempt.BROKEN_OFF:
            await self._defer([job])

    async def _look(self) -> None:
        # This look serves all announcements up to now; a later announcement queues another look.
        jobs = self._app.job_manager
        for hint in await jobs.list_jobs_async(task=LOOK, status="todo"):
            assert hint.id is not None
            await jobs.cancel_job_by_id_async(hint.id, delete_job=True)
        await self._defer(await find_render_jobs(self._press))
        due = await find_work(self._runtime)
        running = await self._running_chunks()
        await self._defer([job for job in due if hint_of(job).queueing_lock not in running])

    async def _running_chunks(self) -> set[str | None]:
        """Return the queueing locks of the chunks that live workers process.

        A second job for such a chunk would reserve sends at a provider and not use them.
        """
        jobs = self._app.job_manager
        started = await jobs.list_jobs_async(task=HAND_OVER, status="doing")
        stalled = await jobs.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=self._dead_after)
        return {hint.queueing_lock for hint in started} - {hint.queueing_lock for hint in stalled}

    async def _defer(self, due: Sequence[Job] | Sequence[RenderJob]) -> None:
        """Queue jobs of one kind that are not queued, up to `AHEAD`."""
        hints = [hint_of(job) for job in due]
        if not hints:
            return
        jobs = self._app.job_manager
        queued = {
            hint.queueing_lock
            for hint in await jobs.list_jobs_async(task=hints[0].task_name, status="todo")
        }
        new = [hint for hint in hints if hint.queueing_lock not in queued]
        # Another look may have queued some of them; the next look finds the rest.
        with suppress(AlreadyEnqueued):
            if batch := new[: max(AHEAD - len(queued), 0)]:
                await jobs.batch_defer_jobs_async(batch)

    async def _settle(self) -> None:
        await settle_lapsed(self._runtime)
        await poll_due(self._runtime)

    async def _expire(self) -> None:
        await expire(self._press)

    async def rescue(self) -> None:
        """Delete the jobs of dead workers, and those that failed a day ago: the rows still show the work."""
        jobs = self._app.job_manager
        stalled = list(await jobs.get_stalled_jobs(seconds_since_heartbeat=self._dead_after))
        for hint in stalled:
            with suppress(ConnectorException):  # another worker has deleted it
                await jobs.finish_job(hint, Status.FAILED, delete_job=True)
        await jobs.prune_stalled_workers(self._dead_after)
        await jobs.delete_old_jobs(
            nb_hours=24, include_failed=True, include_cancelled=True, include_aborted=True
        )
        if stalled:
            _log.warning(
                "jobs of dead workers were deleted; their work is queued again", count=len(stalled)
            )
            await self._run_look()


class OneAtATime:
    """Runs a function once at a time; calls during a run make it run once more."""

    def __init__(self, function: Callable[[], Awaitable[None]]) -> None:
        self._function = function
        self._is_running = False
        self._is_requested = False

    async def __call__(self) -> None:
        """Run the function, or return at once if another call runs it: that call then runs it again."""
        self._is_requested = True
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._is_requested:
                self._is_requested = False
                await self._function()
        finally:
            self._is_running = False


def hint_of(job: Job | RenderJob) -> Hint:
    """Return a job as procrastinate stores it. At most one job of a chunk or a report is queued.

    Chunks with a low number come first, so that all messages make progress.
    """
    if isinstance(job, RenderJob):
        queue, task, lock, priority = REPORTS, PRINT, f"report {job.report_id}", 0
    else:
        lock = f"chunk {job.message_id}.{job.chunk}"
        queue, task, priority = QUEUE, HAND_OVER, -job.chunk
    return Hint(
        id=None,
        queue=queue,
        lock=None,
        queueing_lock=lock,
        task_name=task,
        task_kwargs=job._asdict(),
        priority=priority,
    )
