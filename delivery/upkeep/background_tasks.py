"""Background tasks: those that a request starts and does not wait for, and those that repeat.

A task ends with the process, so it may only do work that is found again without it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import structlog

from db.connect.deadline import untimed
from db.connect.unavailable import AWAY, cause
from delivery.runners.base import wait

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class BackgroundTasks:
    """The background tasks of one process."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, errand: Coroutine[Any, Any, T], **about: str) -> asyncio.Task[T]:
        """Start a task. If it fails, the error is logged with `about`, whether or not the task is awaited."""
        with untimed():
            task = asyncio.ensure_future(errand)
        self._running.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(partial(self._done, about))
        return task

    def _done(self, about: Mapping[str, str], task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a background task failed", exc_info=error, **about)

    async def settled(self) -> None:
        """Wait until all running tasks have ended, with or without an error."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def stop(self) -> None:
        """Cancel all running tasks and wait for their end."""
        for task in self._running:
            task.cancel()
        await self.settled()


async def repeat(
    job: Callable[[], Awaitable[object]], until: asyncio.Event, *, pause: float, failure: str
) -> None:
    """Do a job every `pause` seconds until the event is set. Raises nothing: an error is logged as `failure`."""
    while not until.is_set():
        try:
            await job()
        except AWAY as error:
            event = f"{failure}: the database is unavailable"
            _log.warning(event, reason=cause(error), retry_in_s=pause)
        except Exception as error:
            _log.error(failure, exc_info=error)
        await wait(pause, until)
