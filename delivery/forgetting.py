"""Forgets, beside the requests, what has run out by itself: the budgets of viewers who ask for nothing any more."""

import asyncio

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db import budget
from db.engine import writing
from delivery.runner import wait

_log = structlog.get_logger(__name__)


async def forget(engine: AsyncEngine) -> int:
    """Forget what has run out, and how many rows that were."""
    async with writing(engine) as connection:
        return await budget.forget_full(connection)


async def attend(engine: AsyncEngine, until: asyncio.Event, *, pause: float = 300.0) -> None:
    """Forget each `pause` seconds until told to stop. Raises nothing: the log has it."""
    while not until.is_set():
        try:
            await forget(engine)
        except Exception as error:
            _log.error("what has run out could not be forgotten", exc_info=error)
        await wait(pause, until)
