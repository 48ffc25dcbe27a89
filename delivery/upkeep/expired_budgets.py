"""Deletes, beside the requests, what has run out by itself: the budgets of viewers who ask for nothing any more, and receipts
that belong to no delivery.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import writing
from db.connect.unavailable import AWAY, cause
from db.receipts import unmatched
from db.upkeep import budget
from delivery.runners.base import wait

RECEIPTS_KEPT: Final = timedelta(days=30)
"""How long an unmatched receipt is kept after it last came. It holds an address, and no purge asks for less than this."""

_log = structlog.get_logger(__name__)


async def forget(engine: AsyncEngine, *, now: datetime) -> int:
    """Delete what has run out, and how many rows that were."""
    async with writing(engine) as connection:
        budgets = await budget.forget_full(connection)
    async with writing(engine) as connection:
        receipts = await unmatched.forget(connection, before=now - RECEIPTS_KEPT)
    return budgets + receipts


async def attend(
    engine: AsyncEngine,
    until: asyncio.Event,
    *,
    clock: Callable[[], datetime],
    pause: float = 300.0,
) -> None:
    """Delete each `pause` seconds until told to stop. Raises nothing: the log has it."""
    while not until.is_set():
        try:
            await forget(engine, now=clock())
        except AWAY as error:
            _log.warning("what has run out could not be forgotten yet", reason=cause(error))
        except Exception as error:
            _log.error("what has run out could not be forgotten", exc_info=error)
        await wait(pause, until)
