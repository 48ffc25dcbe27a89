"""The interface of a runner of background jobs, and what all runners share.

A runner stores no state of its own: `delivery.dispatch.due_work` and `delivery.reports.jobs` find work in the rows, so a lost
job is found again. They also do the work. The runner queues jobs and gives them to workers.
"""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import replace
from enum import Enum, auto
from typing import Final

import structlog

from db.connect.unavailable import AWAY, cause
from db.sql.connections import ReadConnection, WriteConnection
from delivery.dispatch.due_work import Job, find_jobs, run_job, start_due
from delivery.dispatch.runtime import Runtime
from delivery.reports.jobs import RenderJob, ReportRuntime, make_report
from domain.ids import Kind, spell

TURN: Final = 5.0
"""Seconds after which a job yields to others: with a provider's rate limit one chunk can take minutes."""

_log = structlog.get_logger(__name__)


class Runner(ABC):
    """Runs background jobs, in this process or in others."""

    @abstractmethod
    async def announce(self, connection: WriteConnection, job: RenderJob | None = None) -> None:
        """Look for work as soon as the transaction of `connection` commits, because it makes new work.

        `job` is the new report, if it makes one. An announcement may get lost: the next round finds the same work some
        seconds later. It never waits for another transaction.
        """

    @abstractmethod
    async def has_workers(self, connection: ReadConnection) -> bool:
        """Return whether a worker is running, as far as this process knows."""

    @abstractmethod
    async def work(self, until: asyncio.Event) -> None:
        """Work until the event is set; then take no new jobs and finish the running ones, up to a time limit.

        Raises nothing: failures are logged and retried.
        """


class Attempt(Enum):
    """The result of one attempt at a job."""

    DONE = auto()
    """All due deliveries were handed over or canceled."""
    BROKEN_OFF = auto()
    """The job's turn ended, or the runner stops: there is more to do."""
    NOTHING = auto()
    """Nothing was due, the provider is on hold, or the job failed: retry after a pause."""


class RunnerStopping(Exception):
    """The runner stops while a job waits for its provider's rate limit; the job has claimed nothing yet."""


async def find_work(runtime: Runtime) -> list[Job]:
    """Start due messages and return the jobs, in the order in which they should run."""
    await start_due(runtime)
    return await find_jobs(runtime)


async def attempt(runtime: Runtime, job: Job, *, until: asyncio.Event) -> Attempt:
    """Run a job for at most `TURN` seconds, or until the event is set.

    A failure is logged by ids only. The rows still show the work, so a later round finds it.
    """
    now = asyncio.get_running_loop().time
    ends = now() + TURN
    is_broken_off = False

    def is_over() -> bool:
        nonlocal is_broken_off
        is_broken_off = is_broken_off or until.is_set() or now() >= ends
        return is_broken_off

    async def pace_sleep(seconds: float) -> None:
        await wait(seconds, until)
        if until.is_set():
            raise RunnerStopping

    try:
        handled = await run_job(replace(runtime, pace_sleep=pace_sleep), job, is_over=is_over)
    except RunnerStopping:
        return Attempt.BROKEN_OFF
    except AWAY as error:
        _log.warning(
            "the job is postponed: the database is unavailable",
            message_id=spell(Kind.MESSAGE, job.message_id),
            chunk=job.chunk,
            reason=cause(error),
        )
        return Attempt.NOTHING
    except Exception:
        _log.exception(
            "the job failed",
            message_id=spell(Kind.MESSAGE, job.message_id),
            chunk=job.chunk,
        )
        return Attempt.NOTHING
    if is_broken_off:
        return Attempt.BROKEN_OFF
    return Attempt.DONE if handled else Attempt.NOTHING


async def attempt_report(
    report_runtime: ReportRuntime, job: RenderJob, *, until: asyncio.Event
) -> Attempt:
    """Make a report, or stop when the event is set. It has no time slice: a runner has a separate worker for reports.

    A failure is logged by ids only. The row has the time of the next attempt.
    """
    try:
        if await make_report(report_runtime, job, until=until):
            return Attempt.DONE
    except AWAY as error:
        report_id = spell(Kind.REPORT, job.report_id)
        _log.warning(
            "the job is postponed: the database is unavailable",
            report_id=report_id,
            reason=cause(error),
        )
        return Attempt.NOTHING
    except Exception:
        _log.exception("the job failed", report_id=spell(Kind.REPORT, job.report_id))
        return Attempt.NOTHING
    return Attempt.BROKEN_OFF if until.is_set() else Attempt.NOTHING


async def wait(seconds: float, *events: asyncio.Event) -> None:
    """Wait until the time is over or one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()
