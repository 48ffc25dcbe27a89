"""Make the sums of days and months for figures over many messages, in the background.

Figures are exact without it: a day that is not summed is read from its messages, which takes longer.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from db.connect.database import Database
from db.derived.figures.figure_sums import FigureDay, changed_days, sum_day
from delivery.upkeep.background_tasks import repeat

PAGE: Final = 100
"""Days that are looked up at once; each is summed in a transaction of its own."""


async def sum_changed_days(
    database: Database, *, now: datetime, until: asyncio.Event | None = None
) -> int:
    """Sum each day whose figures have changed, once, until the event is set. Return how many were summed.

    A day whose messages are just being changed is left for the next time.
    """
    summed = 0
    after: FigureDay | None = None
    while True:
        async with database.reading() as connection:
            days = await changed_days(connection, after=after, most=PAGE)
        for day in days:
            if until is not None and until.is_set():
                return summed
            async with database.writing() as connection:
                summed += await sum_day(connection, day, now=now)
        if len(days) < PAGE:
            return summed
        after = days[-1]


async def run_periodically(
    database: Database,
    until: asyncio.Event,
    *,
    clock: Callable[[], datetime],
    pause: float = 60.0,
) -> None:
    """Sum changed days every `pause` seconds until the event is set. Raises nothing: failures are logged."""
    await repeat(
        lambda: sum_changed_days(database, now=clock(), until=until),
        until,
        pause=pause,
        failure="the sums of figures could not be made",
    )
