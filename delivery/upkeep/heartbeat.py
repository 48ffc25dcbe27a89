"""The heartbeat of a process that does background work: a row in the database while it runs (`db.upkeep.installation`)."""

import asyncio
import secrets
from typing import Final

import structlog

from db.connect.database import Database
from db.connect.unavailable import AWAY, cause
from db.upkeep import installation
from delivery.upkeep.background_tasks import repeat

PAUSE: Final = 15.0
"""Seconds between two heartbeats. A worker is listed until it had none for four times this."""

_log = structlog.get_logger(__name__)


async def run_periodically(
    database: Database, until: asyncio.Event, *, pause: float = PAUSE
) -> None:
    """Write a heartbeat every `pause` seconds until the event is set, then delete it. Raises nothing: failures are logged."""
    worker_id = secrets.token_hex(8)

    async def beat() -> None:
        async with database.writing() as connection:
            await installation.forget_workers(connection)
            await installation.beat(connection, worker_id)

    await repeat(beat, until, pause=pause, failure="the heartbeat could not be written")
    try:
        async with database.writing() as connection:
            await installation.leave(connection, worker_id)
    except AWAY as error:
        # The row is not listed any more in a minute.
        _log.warning("the heartbeat could not be deleted", reason=cause(error))
