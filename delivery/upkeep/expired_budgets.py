"""Delete expired rows in the background: full rate budgets of viewers, and old receipts that belong to no delivery."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from db.connect.database import Database
from db.connect.unavailable import AWAY, cause
from db.receipts import unmatched
from db.upkeep import budget
from delivery.runners.base import wait

RECEIPTS_KEPT: Final = timedelta(days=30)
"""How long an unmatched receipt is kept after it last came. It holds an address, so not longer than the shortest purge."""

_log = structlog.get_logger(__name__)


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
    while not until.is_set():
        try:
            await forget(database, now=clock())
        except AWAY as error:
            _log.warning(
                "expired budgets and receipts could not be deleted: the database is unavailable",
                reason=cause(error),
                retry_in_s=pause,
            )
        except Exception as error:
            _log.error("expired budgets and receipts could not be deleted", exc_info=error)
        await wait(pause, until)
