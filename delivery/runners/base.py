"""The port to what works in the background, and what every runner does alike.

A runner keeps no truth of its own: what there is to do is found in the rows (`delivery.dispatch.due_work`, `delivery.reports.jobs`), so that
whatever a runner forgets is found again. How jobs wait, and who takes them, is the runner's; what a job does is theirs too.
"""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import replace
from enum import Enum, auto
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect.unavailable import AWAY, cause
from delivery.dispatch.due_work import Job, begin_due, do, find_jobs
from delivery.dispatch.runtime import Runtime
from delivery.reports.jobs import Press, PrintJob, print_report
from domain.ids import Kind, spell

TURN: Final = 5.0
"""Seconds after which a job makes room for others: behind a provider's pace one chunk can take minutes."""

_log = structlog.get_logger(__name__)


class Runner(ABC):
    """Has the work of the log done, in this process or in others."""

    @abstractmethod
    async def announce(self, connection: AsyncConnection, job: PrintJob | None = None) -> None:
        """Have work looked for as soon as the transaction of `connection` has committed: it has made some.

        `job` is what it has made, where that is a report. A hint, lost without harm: the next round, some seconds later, finds
        the same. Waits for nobody's transaction.
        """

    @abstractmethod
    async def has_workers(self, connection: AsyncConnection) -> bool:
        """Whether anybody works, as far as this process knows."""

    @abstractmethod
    async def work(self, until: asyncio.Event) -> None:
        """Work until the event is set; then begin nothing more, and finish what is at hand, up to a limit.

        Raises nothing: what fails is in the log, and is tried again.
        """


class Attempt(Enum):
    """How a job went."""

    DONE = auto()
    """What was due is handed over, or stopped."""
    BROKEN_OFF = auto()
    """Its turn was over, or all stops: there is more."""
    NOTHING = auto()
    """Nothing was due, its provider takes nothing now, or it failed: to be left alone for a while."""


class Stopped(Exception):
    """A job waited for its provider's pace when it was told to stop: for that it had claimed nothing."""


async def look(runtime: Runtime) -> list[Job]:
    """Begin what is due, and the jobs that there are now, first those that should be done first."""
    await begin_due(runtime)
    return await find_jobs(runtime)


async def attempt(runtime: Runtime, job: Job, *, until: asyncio.Event) -> Attempt:
    """Do a job, for a turn at most and until the event is set.

    Where it fails, the log says why by ids, and the rows still say that it is to be done.
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
            raise Stopped

    try:
        handled = await do(replace(runtime, pace_sleep=pace_sleep), job, is_over=is_over)
    except Stopped:
        return Attempt.BROKEN_OFF
    except AWAY as error:
        _log.warning(
            "a job waits: the database is away",
            message_id=spell(Kind.MESSAGE, job.message_id),
            chunk=job.chunk,
            reason=cause(error),
        )
        return Attempt.NOTHING
    except Exception:
        _log.exception(
            "a job failed",
            message_id=spell(Kind.MESSAGE, job.message_id),
            chunk=job.chunk,
        )
        return Attempt.NOTHING
    if is_broken_off:
        return Attempt.BROKEN_OFF
    return Attempt.DONE if handled else Attempt.NOTHING


async def attempt_report(press: Press, job: PrintJob, *, until: asyncio.Event) -> Attempt:
    """Make a report, until the event is set. It takes as long as it takes: a runner has a hand for reports alone.

    Where it fails, the log says why by ids, and its row says when it is to be tried again.
    """
    try:
        if await print_report(press, job, until=until):
            return Attempt.DONE
    except AWAY as error:
        report_id = spell(Kind.REPORT, job.report_id)
        _log.warning("a job waits: the database is away", report_id=report_id, reason=cause(error))
        return Attempt.NOTHING
    except Exception:
        _log.exception("a job failed", report_id=spell(Kind.REPORT, job.report_id))
        return Attempt.NOTHING
    return Attempt.BROKEN_OFF if until.is_set() else Attempt.NOTHING


async def wait(seconds: float, *events: asyncio.Event) -> None:
    """Wait so long, or until one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()
