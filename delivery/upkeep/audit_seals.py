"""Seals the audit beside the requests: now and then, what is certainly complete gets a link of the chain.

    settle   the newest id is read, then who may still be writing; when all of those are gone, nothing below it is to come
    seal     rows are read and hashed without a lock; the seal's number is its place in the chain, taken by who inserts it

Any number of processes may do this at once: of two that seal the same rows, the second finds the number taken and drops
its seal. What is hashed is in `domain.chain`; who checks it, above.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.audit import seals
from db.connect.engine import reading, writing
from db.connect.unavailable import AWAY, cause
from delivery.runners.base import wait
from domain import chain

MOST_ROWS: Final = 1_000
"""Rows under one seal: what a check names when a row was changed."""

PATIENCE: Final = 20
"""Looks at whether those who were writing are gone, before the rest waits for the next round: an import may take hours."""

_log = structlog.get_logger(__name__)


async def seal_all(
    engine: AsyncEngine, *, clock: Callable[[], datetime], pause: float = 0.1
) -> int:
    """Seal every row that was committed when this began, and how many rows that were.

    0 too where a transaction that wrote into the audit does not end: nothing is sealed over a gap.
    """
    async with reading(engine) as connection:
        newest = await seals.newest_id(connection)
        end = await seals.last(connection)
    if newest <= (0 if end is None else end.last_id) or not await _settled(engine, pause=pause):
        return 0
    sealed = 0
    while True:
        async with reading(engine) as connection:
            end = await seals.last(connection)
            rows = await seals.rows(connection, end, until=newest, most=MOST_ROWS)
        if not rows:
            return sealed
        link = chain.seal(end, rows, now=clock())
        async with writing(engine) as connection:
            if await seals.add(connection, link):
                sealed += len(rows)


async def _settled(engine: AsyncEngine, *, pause: float) -> bool:
    """Whether all who are writing into the audit now have ended soon."""
    async with reading(engine) as connection:
        writing_then = await seals.writers(connection)
    for _ in range(PATIENCE):
        if not writing_then:
            return True
        await asyncio.sleep(pause)
        async with reading(engine) as connection:
            writing_then &= await seals.writers(connection)
    return not writing_then


async def attend(
    engine: AsyncEngine,
    until: asyncio.Event,
    *,
    clock: Callable[[], datetime],
    pause: float = 60.0,
) -> None:
    """Seal each `pause` seconds until told to stop. Raises nothing: the log has it."""
    while not until.is_set():
        try:
            if rows := await seal_all(engine, clock=clock):
                _log.debug("the audit was sealed", rows=rows)
        except AWAY as error:
            _log.warning("the audit could not be sealed yet", reason=cause(error))
        except Exception as error:
            _log.error("the audit could not be sealed", exc_info=error)
        await wait(pause, until)
