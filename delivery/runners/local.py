"""The runner of a SQLite file: tasks of the one process that serves it.

Nothing of it is stored: when it begins it finds everything in the rows. That it is the only one on the file is for whoever
starts it to see to.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final

import structlog
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect.engine import writing
from db.connect.unavailable import AWAY, cause
from db.dispatch import backlog
from db.reports import jobs
from delivery.dispatch.due_work import Job
from delivery.dispatch.runtime import Runtime
from delivery.dispatch.settlement import settle_lapsed
from delivery.receipts.polling import poll_due
from delivery.reports.jobs import Press, PrintJob, expire, find_print_jobs
from delivery.runners.base import Attempt, Runner, attempt, attempt_report, look, wait
from domain.status import DeliveryMode

HANDS: Final = 3
"""Jobs at a time. SQLite has one writer."""

CONNECTIONS: Final = HANDS * len(DeliveryMode) + 4
"""Connections that it uses at once: 3 jobs with a gateway for each of 4 modes at most, look, settle, expire and 1 report: 16."""

SHARE: Final = 10
"""A turn that took long is followed by a pause of so many times that: looking costs a tenth of a core at most."""

_log = structlog.get_logger(__name__)


class LocalRunner(Runner):
    """Works in this process. `work` is called once."""

    def __init__(
        self,
        runtime: Runtime,
        press: Press,
        *,
        pause: float = 1.0,
        rest: float = 15.0,
        grace: float = 20.0,
    ) -> None:
        """`pause` seconds lie between two rounds. What failed, or came to nothing, is left alone for `rest`.

        `grace` is what a job has when all stops.
        """
        self._runtime = runtime
        self._press = press
        self._pause = pause
        self._rest = rest
        self._grace = grace
        self._announced = asyncio.Event()
        self._waiting = Waiting()
        self._to_print = asyncio.Queue[PrintJob | None]()
        """None when all stops."""
        self._known = set[Job | PrintJob]()
        """What waits, is at hand, or rests: it is not taken on a second time."""

    async def announce(self, connection: AsyncConnection, job: PrintJob | None = None) -> None:
        def hear(_: Connection) -> None:
            self._announced.set()

        assert connection.sync_connection is not None
        event.listen(connection.sync_connection, "commit", hear, once=True)

    async def has_workers(self, connection: AsyncConnection) -> bool:
        return True  # whoever serves the file works on it

    async def work(self, until: asyncio.Event) -> None:
        # Before anything is claimed anew: whoever made the claims that are there is gone.
        await self._repeat(self._end_leases, until, once=True)
        tasks = [
            asyncio.ensure_future(self._repeat(self._look, until, self._announced)),
            asyncio.ensure_future(self._repeat(self._settle, until)),
            asyncio.ensure_future(self._repeat(self._expire, until)),
            *(asyncio.ensure_future(self._work_off(until)) for _ in range(HANDS)),
            asyncio.ensure_future(self._print(until)),
        ]
        try:
            await until.wait()
            self._waiting.close()
            self._to_print.put_nowait(None)
            await asyncio.wait(tasks, timeout=self._grace)
        finally:
            # What is cut off here is settled by whoever begins on this file next.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end_leases(self) -> None:
        async with writing(self._runtime.engine) as connection:
            await backlog.end_leases(connection)
            await jobs.end_leases(connection)

    async def _look(self) -> None:
        if self._announced.is_set():
            self._announced.clear()
            # It is told right before the commit: this waits for the writer, so that what it wrote is seen.
            async with writing(self._runtime.engine):
                pass
        for report in await find_print_jobs(self._press):
            if report not in self._known:
                self._known.add(report)
                self._to_print.put_nowait(report)
        for job in await look(self._runtime):
            if job not in self._known:
                self._known.add(job)
                self._waiting.add(job)

    async def _settle(self) -> None:
        await settle_lapsed(self._runtime)
        await poll_due(self._runtime)

    async def _expire(self) -> None:
        await expire(self._press)

    async def _work_off(self, until: asyncio.Event) -> None:
        while (job := await self._waiting.take()) is not None:
            outcome = await attempt(self._runtime, job, until=until)
            if outcome is Attempt.BROKEN_OFF:
                self._waiting.add(job)
            else:
                self._forget(job, outcome)

    async def _print(self, until: asyncio.Event) -> None:
        """Make reports, one at a time: what renders one takes a core for itself."""
        while (job := await self._to_print.get()) is not None and not until.is_set():
            self._forget(job, await attempt_report(self._press, job, until=until))

    def _forget(self, job: Job | PrintJob, outcome: Attempt) -> None:
        """Let a look find the job again: now where it was done, otherwise after a while."""
        if outcome is Attempt.DONE:
            self._known.discard(job)
        else:
            asyncio.get_running_loop().call_later(self._rest, self._known.discard, job)

    async def _repeat(
        self,
        turn: Callable[[], Awaitable[None]],
        until: asyncio.Event,
        *awake: asyncio.Event,
        once: bool = False,
    ) -> None:
        """Take turns until told to stop, or with `once` until one succeeds; the longer a turn, the longer the pause."""
        now = asyncio.get_running_loop().time
        while not until.is_set():
            began = now()
            try:
                await turn()
            except AWAY as error:
                _log.warning("a round failed: the database is away", reason=cause(error))
                await wait(self._rest, until)
                continue
            except Exception:
                _log.exception("a round failed")
                await wait(self._rest, until)
                continue
            if once:
                return
            await wait(max(self._pause, SHARE * (now() - began)), until, *awake)


class Waiting:
    """Jobs that wait for a hand. Messages take turns, and of each the lowest chunk comes first."""

    def __init__(self) -> None:
        self._jobs = set[Job]()
        self._times = count(1)
        self._served: dict[int, int] = {}
        """When a message had its last turn, as long as anything waits."""
        self._ready = asyncio.Semaphore(0)
        self._is_closed = False

    def add(self, job: Job) -> None:
        """Let a job wait that does not wait yet."""
        self._jobs.add(job)
        self._ready.release()

    def close(self) -> None:
        """Give out no more: whoever takes gets None from now on."""
        self._is_closed = True
        self._ready.release()

    async def take(self) -> Job | None:
        """The next job, as soon as there is one; None where no more are given out."""
        await self._ready.acquire()
        if self._is_closed:
            self._ready.release()  # for whoever else waits
            return None
        job = min(self._jobs, key=self._place)
        self._jobs.remove(job)
        if self._jobs:
            self._served[job.message_id] = next(self._times)
        else:
            self._served.clear()
        return job

    def _place(self, job: Job) -> tuple[int, int, int]:
        return self._served.get(job.message_id, 0), job.chunk, job.message_id
