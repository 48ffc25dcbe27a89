"""The port to what works in the background, and what every runner does alike.

A runner keeps no truth of its own: what there is to do is found in the rows (`delivery.sweep`), so that whatever a runner
forgets is found again. How jobs wait, and who takes them, is the runner's; what a job does is `delivery.hands`'.
"""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import replace

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from delivery.hands import Bench, hand_over
from delivery.sweep import Job, begin_due, find_jobs

_log = structlog.get_logger(__name__)


class Runner(ABC):
    """Has the work of the log done, in this process or in others."""

    @abstractmethod
    async def announce(self, connection: AsyncConnection) -> None:
        """Have work looked for as soon as the transaction of `connection` has committed: it has made some.

        A hint, lost without harm: the next round, some seconds later, finds the same. Waits for nobody's transaction.
        """

    @abstractmethod
    async def has_workers(self, connection: AsyncConnection) -> bool:
        """Whether anybody works, as far as this process knows."""

    @abstractmethod
    async def work(self, until: asyncio.Event) -> None:
        """Work until the event is set; then begin nothing more, and finish what is at hand, up to a limit.

        Raises nothing: what fails is in the log, and is tried again.
        """


class Stopped(Exception):
    """A job waited for its provider's pace when it was told to stop: it had claimed nothing."""


def at_work(bench: Bench, until: asyncio.Event) -> Bench:
    """The bench of a runner that works until the event is set: no job then waits on for its provider."""

    async def sleep(seconds: float) -> None:
        await wait(seconds, until)
        if until.is_set():
            raise Stopped

    return replace(bench, sleep=sleep)


async def look(bench: Bench) -> list[Job]:
    """Begin what is due, and the jobs that there are now, first those that should be done first."""
    await begin_due(bench)
    return await find_jobs(bench)


async def attempt(bench: Bench, job: Job) -> bool:
    """Do a job, and whether anything was handed over.

    Where it fails, the log says why by ids, and the rows still say that it is to be done.
    """
    try:
        return await hand_over(bench, job.message_id, job.chunk) > 0
    except Stopped:
        return False
    except Exception:
        _log.exception(
            "a chunk could not be handed over",
            message_id=f"message.{job.message_id}",
            chunk=job.chunk,
        )
        return False


async def wait(seconds: float, *events: asyncio.Event) -> None:
    """Wait so long, or until one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()
