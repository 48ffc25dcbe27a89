"""Delete expired rows in the background: full rate budgets of viewers, and old receipts that belong to no delivery."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from db.connect.database import Database
from db.dispatch.receipts import unmatched
from db.upkeep import budget
from delivery.upkeep.background_tasks import repeat

RECEIPTS_KEPT: Final = timedelta(days=30)
"""How long an unmatched receipt is kept after it last came. It holds an address, so not longer than the shortest purge."""


async def forget(database: Database, *, now: datetime) -> int:
    """Delete expired rows. Return how many."""
    async with database.writing() as connection:
        budgets = await budget.forget_full(connection)
    async with database.writing() as connection:
        receipts = await unmatched.forget(connection, before=now - RECEIPTS_KEPT)
    return budgets + receipts


async def run_periodically(
    database: Database,
    until: asyncio.Event,
    *,
    clock: Callable[[], datetime],
    pause: float = 300.0,
) -> None:
    """Delete expired rows every `pause` seconds until the event is set. Raises nothing: failures are logged."""
    failure = "expired budgets and receipts could not be deleted"
    await repeat(lambda: forget(database, now=clock()), until, pause=pause, failure=failure)
