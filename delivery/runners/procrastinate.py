"""The runner of a PostgreSQL database: any number of workers on any machine, through procrastinate.

Its jobs live in tables beside ours and are deferred in our own transactions. They are hints all the same: a job that failed
or whose worker died is thrown away, since the rows still say what is to be done.
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
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect.unavailable import AWAY, cause
from db.dispatch import backlog
from delivery.dispatch.due_work import Job
from delivery.dispatch.runtime import Runtime
from delivery.dispatch.settlement import settle_lapsed
from delivery.receipts.polling import poll_due
from delivery.reports.jobs import Press, PrintJob, expire, find_print_jobs
from delivery.runners.base import Attempt, Runner, attempt, attempt_report, look, wait
from domain.status import DeliveryMode

QUEUE: Final = "sentlog"
REPORTS: Final = "sentlog reports"
"""A queue, and a hand, of their own: a report takes minutes, and must neither wait for chunks nor keep them waiting."""

HANDS: Final = 6
"""Jobs at a time in one worker: hand-overs, and the periodic tasks (look, settle, rescue, expire)."""

REPORTS_AT_ONCE: Final = 1
"""What renders a report takes a core for itself."""

CONNECTIONS: Final = HANDS * len(DeliveryMode) + REPORTS_AT_ONCE
"""Connections of the engine that its jobs use at once: 6 jobs with a gateway for each of 4 modes at most, and 1 report: 25.

Each gateway of a job has one connection at a time; a periodic task and a report have one in all.
"""

OWN_CONNECTIONS: Final = 4
"""Connections of procrastinate's own pool: short statements only, its two listeners have a connection each beside it."""

HAND_OVER: Final = "hand over"
PRINT: Final = "print"
LOOK: Final = "look"

# procrastinate's sixth field is the second.
EVERY_ROUND: Final = "* * * * * */5"
EVERY_MINUTE: Final = "* * * * *"

FIRST_OF_ALL: Final = 1
"""Before every chunk, whose priority is its number below zero."""

AHEAD: Final = 200
"""Jobs that wait at most: all workers together do not work them off between two rounds."""

_log = structlog.get_logger(__name__)


class ProcrastinateRunner(Runner):
    """Announces from any process; works in those that call `work`."""

    def __init__(
        self,
        runtime: Runtime,
        press: Press,
        *,
        every: str = EVERY_ROUND,
        pause: float = 5.0,
        grace: float = 20.0,
        heartbeat: float = 10.0,
        dead_after: float = 30.0,
    ) -> None:
        """A round is taken `every` so often (cron, with a sixth field for seconds), by one worker of all.

        `pause` seconds pass after the database was lost; `grace` are what a job has when the worker stops.

        A worker shows every `heartbeat` seconds that it lives. What one had that did not for `dead_after` is done by others.
        """
        self._runtime = runtime
        self._press = press
        self._pause = pause
        self._grace = grace
        self._heartbeat = heartbeat
        self._dead_after = dead_after
        self._until = asyncio.Event()
        url = runtime.engine.url.set(drivername="postgresql")
        self._app = App(
            connector=PsycopgConnector(
                conninfo=url.render_as_string(hide_password=False),
                min_size=1,
                max_size=OWN_CONNECTIONS,
            )
        )
        self._looking = OneAtATime(self._look)
        self._settling = OneAtATime(self._settle)
        self._app.task(name=HAND_OVER, queue=QUEUE)(self._attempt)
        self._print = self._app.task(name=PRINT, queue=REPORTS)(self._attempt_report)
        self._look_soon = self._periodic(LOOK, every, self._looking)
        self._periodic("settle", every, self._settling)
        self._periodic("rescue", EVERY_MINUTE, OneAtATime(self.rescue))
        self._periodic("expire", EVERY_MINUTE, OneAtATime(self._expire))

    def _periodic(self, name: str, cron: str, turn: "OneAtATime") -> Any:
        """A task that is deferred again and again; one of it waits at most.

        No `lock`: with one, what a dead worker had begun would hold up all others.
        """

        async def run(timestamp: int | None = None) -> None:
            await turn()

        task = self._app.task(name=name, queue=QUEUE, priority=FIRST_OF_ALL)(run)
        return self._app.periodic(cron=cron, queueing_lock=name)(task)

    async def announce(self, connection: AsyncConnection, job: PrintJob | None = None) -> None:
        raw = (await connection.get_raw_connection()).driver_connection
        if job is None:
            # No queueing lock: it is a unique index, and would wait for every other transaction that announces.
            await self._look_soon.configure(connection=raw).defer_async()
        else:
            # With one, for looks find the report as well; nobody else can have its name before the transaction is over.
            lock = hint_of(job).queueing_lock
            await self._print.configure(connection=raw, queueing_lock=lock).defer_async(
                **job._asdict()
            )

    async def has_workers(self, connection: AsyncConnection) -> bool:
        return await backlog.has_workers(connection, within=timedelta(seconds=self._dead_after))

    async def work(self, until: asyncio.Event) -> None:
        self._until = until
        while not until.is_set():
            try:
                async with self._app.open_async():
                    await self._serve(until)
            except (*AWAY, ConnectorException) as error:
                # procrastinate's own tasks end with the connection: the worker begins anew.
                reason = cause(error.__cause__ or error)
                _log.warning("the worker lost its database", reason=reason, seconds=self._pause)
            except Exception:
                _log.exception("the worker failed", seconds=self._pause)
            if not until.is_set():
                await wait(self._pause, until)

    async def _serve(self, until: asyncio.Event) -> None:
        hands = {QUEUE: HANDS, REPORTS: REPORTS_AT_ONCE}
        serving = [
            asyncio.ensure_future(
                self._app.run_worker_async(
                    queues=[queue],
                    concurrency=concurrency,
                    delete_jobs="successful",
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=self._grace,
                    update_heartbeat_interval=self._heartbeat,
                    stalled_worker_timeout=self._dead_after,
                    # What is notified while it looks for a job, it does not hear.
                    fetch_job_polling_interval=1.0,
                )
            )
            for queue, concurrency in hands.items()
        ]
        stopping = asyncio.ensure_future(until.wait())
        await asyncio.wait({*serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for one in serving:
            one.cancel()  # which lets it finish
        for ended in await asyncio.gather(*serving, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    # What the tasks do

    async def _attempt(self, message_id: int, chunk: int) -> None:
        job = Job(message_id, chunk)
        if await attempt(self._runtime, job, until=self._until) is Attempt.BROKEN_OFF:
            await self._defer([job])

    async def _attempt_report(self, report_id: int) -> None:
        job = PrintJob(report_id)
        if await attempt_report(self._press, job, until=self._until) is Attempt.BROKEN_OFF:
            await self._defer([job])

    async def _look(self) -> None:
        # Who announced up to here is heard by this look; who announces from here on has another.
        jobs = self._app.job_manager
        for hint in await jobs.list_jobs_async(task=LOOK, status="todo"):
            assert hint.id is not None
            await jobs.cancel_job_by_id_async(hint.id, delete_job=True)
        await self._defer(await find_print_jobs(self._press))
        found = await look(self._runtime)
        at_hand = await self._at_hand()
        await self._defer([job for job in found if hint_of(job).queueing_lock not in at_hand])

    async def _at_hand(self) -> set[str | None]:
        """The chunks that a worker who lives is at: a second one there would reserve places at a provider, and not use them."""
        jobs = self._app.job_manager
        begun = await jobs.list_jobs_async(task=HAND_OVER, status="doing")
        stalled = await jobs.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=self._dead_after)
        return {hint.queueing_lock for hint in begun} - {hint.queueing_lock for hint in stalled}

    async def _defer(self, found: Sequence[Job] | Sequence[PrintJob]) -> None:
        """Let jobs of one kind wait, as far as they do not yet and there is room."""
        hints = [hint_of(job) for job in found]
        if not hints:
            return
        jobs = self._app.job_manager
        waiting = {
            hint.queueing_lock
            for hint in await jobs.list_jobs_async(task=hints[0].task_name, status="todo")
        }
        new = [hint for hint in hints if hint.queueing_lock not in waiting]
        # Another look may have been faster; what it lacks, the next one finds.
        with suppress(AlreadyEnqueued):
            if room := new[: max(AHEAD - len(waiting), 0)]:
                await jobs.batch_defer_jobs_async(room)

    async def _settle(self) -> None:
        await settle_lapsed(self._runtime)
        await poll_due(self._runtime)

    async def _expire(self) -> None:
        await expire(self._press)

    async def rescue(self) -> None:
        """Throw away what dead workers had, and what failed a day ago: the rows say what of it is still to be done."""
        jobs = self._app.job_manager
        stalled = list(await jobs.get_stalled_jobs(seconds_since_heartbeat=self._dead_after))
        for hint in stalled:
            with suppress(ConnectorException):  # another rescue was faster
                await jobs.finish_job(hint, Status.FAILED, delete_job=True)
        await jobs.prune_stalled_workers(self._dead_after)
        await jobs.delete_old_jobs(
            nb_hours=24, include_failed=True, include_cancelled=True, include_aborted=True
        )
        if stalled:
            _log.warning("jobs of dead workers were thrown away", count=len(stalled))
            await self._looking()


class OneAtATime:
    """A turn that several may ask for: one runs, and whoever asks meanwhile has it run once more."""

    def __init__(self, turn: Callable[[], Awaitable[None]]) -> None:
        self._turn = turn
        self._is_running = False
        self._is_wanted = False

    async def __call__(self) -> None:
        """Have it run; it may be over, or go on in another's call, when this returns."""
        self._is_wanted = True
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._is_wanted:
                self._is_wanted = False
                await self._turn()
        finally:
            self._is_running = False


def hint_of(job: Job | PrintJob) -> Hint:
    """A job as procrastinate keeps it: one of a chunk or a report waits at most, and chunks of all messages go side by side."""
    if isinstance(job, PrintJob):
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
