"""Measures the cost of a message's figures: reading them, and updating them when deliveries change.

    python -m benchmarks.figures [--url postgresql+psycopg://…/LARGE_LOG] [--rounds 15]

The database is one of `benchmarks.large_log`; without a URL a smaller one is made. It reads the figures of the largest
message from the counters and from the rows, and those of a message with five deliveries. It changes a thousand deliveries
with everything that follows, and then only their rows and events, without counters, people contacted, spans and message.
Then it sums all days, and reads figures of a year over many messages: from sums, from sums and one changed day, from messages.
The variants alternate, and every change is rolled back.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from benchmarks.large_log import build, size_of
from benchmarks.large_log.rows import CROWD
from db.connect.database import Database
from db.derived.figures.figure_rows import find_figures
from db.derived.figures.figure_statements import FigureQuery
from db.derived.figures.message_figures import mark_changed
from db.dispatch import changes, in_flight
from db.dispatch.changes import Change
from db.log import counters
from db.log.deliveries import EVENT
from db.log.districts import district_known_as
from db.log.visibility import Visibility
from db.search.criteria import Criteria
from db.sql import bulk_write
from db.sql.connections import ReadConnection, WriteConnection
from db.tables.log import DELIVERY, DELIVERY_EVENT, MESSAGE
from delivery.upkeep.figure_sums import sum_changed_days
from domain.figures import DayRange, FigureDimension
from domain.status import DeliveryMode, DeliveryStatus, EventSource

SMALL: Final = 5_000
"""A typical message."""

CHANGED: Final = 1_000
NOW: Final = datetime(2023, 1, 1, tzinfo=UTC)
REACHED: Final = 5
"""The call status of an answered call."""


Act = Callable[[WriteConnection], Awaitable[None]]


def reading(message: int) -> Act:
    """Return a function that reads the figures of a message."""

    async def read(connection: ReadConnection) -> None:
        await counters.of_messages(connection, [message])

    return read


async def counting(connection: ReadConnection) -> None:
    """Count the rows of the largest message, as needed without counters."""
    facts = (DELIVERY.c.mode, DELIVERY.c.status, DELIVERY.c.call_status, DELIVERY.c.is_duplicate)
    await connection.execute(
        select(*facts, func.count(), func.min(DELIVERY.c.at), func.max(DELIVERY.c.at))
        .where(DELIVERY.c.message_id == CROWD)
        .group_by(*facts)
    )


def changing(made: list[Change], *, counted: bool) -> Act:
    """Return a function that writes the changes, with everything that follows or alone."""

    async def change(connection: WriteConnection) -> None:
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


async def outcomes(connection: ReadConnection) -> list[Change]:
    """Return the outcomes of calls of the largest message, as if they were under way until now. One in ten fails."""
    statement = (
        select(*in_flight.COLUMNS)
        .where(DELIVERY.c.message_id == CROWD, DELIVERY.c.mode == DeliveryMode.VOICE)
        .order_by(DELIVERY.c.recipient_number)
        .limit(CHANGED)
    )
    rows = [in_flight.LiveDelivery(*row) for row in await connection.execute(statement)]
    return [
        Change(
            row._replace(status=DeliveryStatus.IN_PROGRESS, call_status=None),
            row._replace(at=NOW),
            EventSource.CALLBACK,
            NOW,
        )
        for row in rows
    ]


async def a_thousand(connection: ReadConnection) -> list[Change]:
    """Return changes of failed calls of the largest message to answered ones."""
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


async def milliseconds(database: Database, act: Act) -> float:
    """Return the milliseconds of `act` in a transaction that is rolled back, without begin and rollback."""
    async with database.engine.connect() as connection, connection.begin() as transaction:
        await connection.exec_driver_sql("SELECT 1")
        began = time.perf_counter()
        await act(WriteConnection(ReadConnection(connection)))
        took = time.perf_counter() - began
        await transaction.rollback()
    return took * 1_000


YEAR: Final = DayRange(date(2019, 12, 1), date(2020, 11, 30))
"""A year within the large log."""

_BY: Final = {
    "figures by month, school, mode": [
        FigureDimension.MONTH,
        FigureDimension.SCHOOL,
        FigureDimension.MODE,
    ],
    "figures by day, mode": [FigureDimension.DAY, FigureDimension.MODE],
    "figures by month, sender": [FigureDimension.MONTH, FigureDimension.SENDER],
}


async def measure_many(database: Database, *, rounds: int) -> None:
    """Print one line for each kind of figures over many messages, before and after a message of the year changes."""
    began = time.perf_counter()
    days = await sum_changed_days(database, now=NOW)
    print(f"{f'{days} days summed':36} {(time.perf_counter() - began) * 1_000:9.2f} ms")
    for changed in (False, True):
        if changed:
            async with database.writing() as connection:
                in_year = MESSAGE.c.created_at >= datetime(2020, 3, 2, tzinfo=UTC)
                some = await connection.scalars(
                    select(MESSAGE.c.id).where(in_year).order_by(MESSAGE.c.created_at).limit(1)
                )
                await mark_changed(connection, some.all())
        for name, group_by in _BY.items():
            taken = [await _read_many(database, group_by) for _ in range(rounds + 1)][1:]
            label = f"{name}, a day changed" if changed else name
            print(f"{label:46} {statistics.median(taken):9.2f} ms")


async def _read_many(database: Database, group_by: Sequence[FigureDimension]) -> float:
    """Return the milliseconds of one query, with medians."""
    async with database.snapshot() as connection:
        district = await district_known_as(connection, "plainview")
        assert district is not None
        begin, end = (datetime.combine(day, datetime.min.time(), UTC) for day in YEAR)
        seen = Visibility(district, None, NOW)
        query = FigureQuery(YEAR, Criteria(begin, end), seen, group_by)
        began = time.perf_counter()
        found = await find_figures(connection, query, with_medians=True)
        took = time.perf_counter() - began
    assert found.total
    return took * 1_000


async def measure(url: str, *, rounds: int) -> None:
    """Print one line for each variant."""
    database = Database(url)
    async with database.reading() as connection:
        made, made_now = await a_thousand(connection), await outcomes(connection)
    assert len(made) == len(made_now) == CHANGED
    acts: dict[str, Act] = {
        "figures of the largest message": reading(CROWD),
        "figures of a small one": reading(SMALL),
        "the largest, counted from its rows": counting,
        "1,000 failures become arrivals": changing(made, counted=True),
        "1,000 outcomes": changing(made_now, counted=True),
        "the same without counters": changing(made_now, counted=False),
    }
    taken: dict[str, list[float]] = {name: [] for name in acts}
    for round in range(rounds + 1):
        for name, act in acts.items():
            took = await milliseconds(database, act)
            if round:
                taken[name].append(took)
    medians = {name: statistics.median(own) for name, own in taken.items()}
    print(database.engine.dialect.name)
    for name, median in medians.items():
        print(f"{name:36} {median:9.2f} ms")
    with_counters, without = list(medians.values())[-2:]
    print(f"{'outcomes, ÷ without counters':36} {with_counters / without:9.2f}")
    await measure_many(database, rounds=rounds)
    await database.dispose()


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--url", help="a database of benchmarks.large_log; otherwise a smaller one")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--messages", type=int, default=20_000, help="of the smaller database")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.url
        if url is None:
            url = f"sqlite+aiosqlite:///{Path(folder) / 'sentlog.sqlite3'}"
            build(url, size_of(options.messages, options.messages * 30, options.messages * 10))
        asyncio.run(measure(url, rounds=options.rounds))


if __name__ == "__main__":
    main()
