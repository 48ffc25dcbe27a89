"""What the figures of a message cost: to read them, and to keep them while deliveries change.

    python -m benchmarks.figures [--url postgresql+psycopg://…/LARGE_LOG] [--rounds 15]

The database is one of `benchmarks.large_log`; without a URL a smaller one is made. The figures of its largest message are read
from the counters, and once more from the rows, beside those of a message of five deliveries. A thousand deliveries of it are
changed with all that follows from a change, and without counters, people contacted, spans and the message itself: the same
rows and events written alone. The ways take turns, and every change is rolled back.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from benchmarks.large_log import build, size_of
from benchmarks.large_log.rows import CROWD
from db.connect.engine import make_engine
from db.dispatch import changes, in_flight
from db.dispatch.changes import EVENT, Change
from db.log import counters
from db.sql import bulk_write
from db.tables.log import DELIVERY, DELIVERY_EVENT
from domain.status import DeliveryMode, DeliveryStatus, EventSource

SMALL: Final = 5_000
"""A message like most."""

CHANGED: Final = 1_000
NOW: Final = datetime(2023, 1, 1, tzinfo=UTC)
REACHED: Final = 5
"""The call status of somebody who answered."""


Act = Callable[[AsyncConnection], Awaitable[None]]


def reading(message: int) -> Act:
    """What reads the figures of a message."""

    async def read(connection: AsyncConnection) -> None:
        await counters.of_messages(connection, [message])

    return read


async def counting(connection: AsyncConnection) -> None:
    """Count the largest message's rows, as one would without counters."""
    facts = (DELIVERY.c.mode, DELIVERY.c.status, DELIVERY.c.call_status, DELIVERY.c.is_duplicate)
    await connection.execute(
        select(*facts, func.count(), func.min(DELIVERY.c.at), func.max(DELIVERY.c.at))
        .where(DELIVERY.c.message_id == CROWD)
        .group_by(*facts)
    )


def changing(made: list[Change], *, counted: bool) -> Act:
    """What writes `made`, with all that follows or alone."""

    async def change(connection: AsyncConnection) -> None:
        message = await in_flight.lock(connection, CROWD)
        assert message is not None
        if counted:
            await changes.write(connection, message, made, now=NOW)
            return
        keys = ("message_id", "recipient_number", "number")
        await bulk_write.update_rows(
            connection,
            DELIVERY,
            [(DeliveryStatus.DELIVERED, REACHED, NOW, *one.after.key) for one in made],
            keys=keys,
            columns=("status", "call_status", "at"),
        )
        await bulk_write.insert_rows(
            connection,
            DELIVERY_EVENT,
            [
                (*one.after.key, NOW, DeliveryStatus.DELIVERED, REACHED, one.source, None)
                for one in made
            ],
            columns=EVENT,
        )

    return change


async def a_thousand(connection: AsyncConnection) -> list[Change]:
    """Calls of the largest message that had failed, and are answered after all."""
    statement = (
        select(*in_flight.COLUMNS)
        .where(
            DELIVERY.c.message_id == CROWD,
            DELIVERY.c.mode == DeliveryMode.VOICE,
            DELIVERY.c.status == DeliveryStatus.FAILED,
        )
        .limit(CHANGED)
    )
    rows = [in_flight.LiveDelivery(*row) for row in await connection.execute(statement)]
    return [
        Change(
            row,
            row._replace(status=DeliveryStatus.DELIVERED, call_status=REACHED, at=NOW),
            EventSource.CALLBACK,
            NOW,
        )
        for row in rows
    ]


async def milliseconds(engine: AsyncEngine, act: Act) -> float:
    """How long `act` takes in a transaction that is rolled back; beginning and rolling back are left out."""
    async with engine.connect() as connection, connection.begin() as transaction:
        await connection.exec_driver_sql("SELECT 1")
        began = time.perf_counter()
        await act(connection)
        took = time.perf_counter() - began
        await transaction.rollback()
    return took * 1_000


async def measure(url: str, *, rounds: int) -> None:
    """Print one line for each way."""
    engine = make_engine(url)
    async with engine.connect() as connection:
        made = await a_thousand(connection)
    assert len(made) == CHANGED
    acts: dict[str, Act] = {
        "figures of the largest message": reading(CROWD),
        "figures of a small one": reading(SMALL),
        "the largest, counted from its rows": counting,
        "1,000 deliveries changed": changing(made, counted=True),
        "the same without counters": changing(made, counted=False),
    }
    taken: dict[str, list[float]] = {name: [] for name in acts}
    for round in range(rounds + 1):
        for name, act in acts.items():
            took = await milliseconds(engine, act)
            if round:
                taken[name].append(took)
    medians = {name: statistics.median(own) for name, own in taken.items()}
    print(engine.dialect.name)
    for name, median in medians.items():
        print(f"{name:36} {median:9.2f} ms")
    with_counters, without = list(medians.values())[-2:]
    print(f"{'changed, ÷ without counters':36} {with_counters / without:9.2f}")
    await engine.dispose()


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--url", help="a database of benchmarks.large_log; otherwise a smaller one")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.url
        if url is None:
            url = f"sqlite+aiosqlite:///{Path(folder) / 'sentlog.sqlite3'}"
            build(url, size_of(20_000, 600_000, 200_000))
        asyncio.run(measure(url, rounds=options.rounds))


if __name__ == "__main__":
    main()
