"""The runner of a SQLite file: tasks of the one process that serves it.

Nothing of it is stored: when it begins it finds everything in the rows. That it is the only one on the file is for whoever
starts it to see to.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection

from db import backlog
from db.engine import writing
from delivery.hands import Bench
from delivery.runner import Runner, at_work, attempt, look, wait
from delivery.settlement import settle_lapsed
from delivery.sweep import Job

HANDS: Final = 3
"""Jobs at a time. SQLite has one writer, and each job takes a connection for each gateway: requests need some as well."""

SHARE: Final = 10
"""A turn that took long is followed by a pause of so many times that: looking costs a tenth of a core at most."""

_STOP: Final = (-1, -1)
"""Stands before every job."""

_log = structlog.get_logger(__name__)


class LocalRunner(Runner):
    """Works in this process. `work` is called once."""

    def __init__(
        self, bench: Bench, *, pause: float = 1.0, rest: float = 15.0, grace: float = 20.0
    ) -> None:
        """`pause` seconds lie between two rounds. What failed, or came to nothing, is left alone for `rest`.

        `grace` is what a job has when all stops.
        """
        self._bench = bench
        self._pause = pause
        self._rest = rest
        self._grace = grace
        self._announced = asyncio.Event()
        # By chunk, then message: the first of a short message does not wait for the last of a long one.
        self._waiting = asyncio.PriorityQueue[tuple[int, int]]()
        self._known = set[Job]()
        """What waits, is at hand, or rests: it is not taken on a second time."""

    async def announce(self, connection: AsyncConnection) -> None:
        def hear(_: Connection) -> None:
            self._announced.set()

        assert connection.sync_connection is not None
        event.listen(connection.sync_connection, "commit", hear, once=True)

    async def has_workers(self, connection: AsyncConnection) -> bool:
        return True  # whoever serves the file works on it

    async def work(self, until: asyncio.Event) -> None:
        self._bench = at_work(self._bench, until)
        # Before anything is claimed anew: whoever made the claims that are there is gone.
        await self._repeat(self._end_leases, until, once=True)
        tasks = [
            asyncio.ensure_future(self._repeat(self._look, until, self._announced)),
            asyncio.ensure_future(self._repeat(self._settle, until)),
            *(asyncio.ensure_future(self._work_off()) for _ in range(HANDS)),
        ]
        try:
            await until.wait()
            for _ in range(HANDS):
                self._waiting.put_nowait(_STOP)
            await asyncio.wait(tasks, timeout=self._grace)
        finally:
            # What is cut off here is settled by whoever begins on this file next.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end_leases(self) -> None:
        async with writing(self._bench.engine) as connection:
            await backlog.end_leases(connection)

    async def _look(self) -> None:
        if self._announced.is_set():
            self._announced.clear()
            # It is told right before the commit: this waits for the writer, so that what it wrote is seen.
            async with writing(self._bench.engine):
                pass
        for job in await look(self._bench):
            if job not in self._known:
                self._known.add(job)
                self._waiting.put_nowait((job.chunk, job.message_id))

    async def _settle(self) -> None:
        await settle_lapsed(self._bench)

    async def _work_off(self) -> None:
        while (taken := await self._waiting.get()) != _STOP:
            chunk, message_id = taken
            job = Job(message_id, chunk)
            if await attempt(self._bench, job):
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
            except Exception:
                _log.exception("a round failed")
                await wait(self._rest, until)
                continue
            if once:
                return
            await wait(max(self._pause, SHARE * (now() - began)), until, *awake)
