"""Background tasks that a request starts and does not wait for.

A task ends with the process, so it may only do work that is found again without it.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import structlog

from db.connect.deadline import untimed

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
