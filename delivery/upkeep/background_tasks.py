"""Work that a request sets going and does not wait for, until it is done or the process ends.

Only what is found again without it: nothing here survives the process.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import structlog

from db.connect.deadline import untimed

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Errands:
    """The errands of one process."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, errand: Coroutine[Any, Any, T], **about: str) -> asyncio.Task[T]:
        """Begin an errand. If it fails, the log says so and what it was `about`, whether or not anybody awaits it."""
        with untimed():
            task = asyncio.ensure_future(errand)
        self._running.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(partial(self._done, about))
        return task

    def _done(self, about: Mapping[str, str], task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            _log.error("an errand failed", exc_info=fault, **about)

    async def settled(self) -> None:
        """Wait until all that runs now has ended, well or badly."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def stop(self) -> None:
        """End all that runs."""
        for task in self._running:
            task.cancel()
        await self.settled()
