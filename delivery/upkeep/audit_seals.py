"""Seal the audit in the background: rows that are certainly complete get a link of the hash chain.

    settle   read the newest id, then the transactions that still write; once these have ended, no row below it can appear
    seal     read and hash rows without a lock; the insert takes the seal's number, which is its place in the chain

Any number of processes may do this at once: of two that seal the same rows, the second finds the number taken and drops
its seal. `domain.chain` computes the hashes; `sentlog audit verify` checks them.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from db.audit import seals
from db.connect.database import Database
from delivery.upkeep.background_tasks import repeat
from domain import chain

MOST_ROWS: Final = 1_000
"""Most rows under one seal. A check can name the seal of a changed row, not the row."""

PATIENCE: Final = 20
"""How often to check whether the writing transactions have ended, before the next round: an import may take hours."""

_log = structlog.get_logger(__name__)


async def seal_all(database: Database, *, clock: Callable[[], datetime], pause: float = 0.1) -> int:
    """Seal every row that was committed at the start. Return how many rows.

    Returns 0 if a transaction that writes into the audit does not end in time: nothing is sealed over a gap.
    """
    async with database.reading() as connection:
        newest = await seals.newest_id(connection)
        end = await seals.last(connection)
    if newest <= (0 if end is None else end.last_id) or not await _settled(database, pause=pause):
        return 0
    sealed = 0
    while True:
        async with database.reading() as connection:
            end = await seals.last(connection)
            rows = await seals.rows(connection, end, until=newest, most=MOST_ROWS)
        if not rows:
            return sealed
        link = chain.seal(end, rows, now=clock())
        async with database.writing() as connection:
            if await seals.add(connection, link):
                sealed += len(rows)


async def _settled(database: Database, *, pause: float) -> bool:
    """Wait for the transactions that write into the audit now. Return whether all have ended."""
    async with database.reading() as connection:
        writers = await seals.writers(connection)
    for _ in range(PATIENCE):
        if not writers:
            return True
        await asyncio.sleep(pause)
        async with database.reading() as connection:
            writers &= await seals.writers(connection)
    return not writers


async def run_periodically(
    database: Database,
    until: asyncio.Event,
    *,
    clock: Callable[[], datetime],
    pause: float = 60.0,
) -> None:
    """Seal every `pause` seconds until the event is set. Raises nothing: failures are logged."""

    async def seal() -> None:
        if rows := await seal_all(database, clock=clock):
            _log.debug("the audit was sealed", rows=rows)

    await repeat(seal, until, pause=pause, failure="the audit could not be sealed")
