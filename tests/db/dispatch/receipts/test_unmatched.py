"""Unmatched receipts are stored once, counted, and deleted when they are old or too many."""

from datetime import timedelta

from db.connect.database import Database
from db.dispatch.receipts import unmatched
from domain.receipts import Mismatch, Receipt, Unmatched
from domain.status import DeliveryStatus
from tests.log import NOON

HOUR = timedelta(hours=1)


def stray(number: int = 0, reason: Mismatch = Mismatch.NO_DELIVERY) -> Unmatched:
    receipt = Receipt(
        NOON, DeliveryStatus.FAILED, 3, detail="no such user", reference=f"id-{number}", address="a"
    )
    return Unmatched(receipt, reason)


async def kept(database: Database) -> list[tuple[str | None, int]]:
    async with database.reading() as connection:
        found = await unmatched.latest(connection, most=100)
    return [(one.reference, one.times) for one in found]


async def test_equal_receipts_are_one_row_and_the_last_time_counts(database: Database) -> None:
    async with database.writing() as connection:
        await unmatched.keep(connection, "fake", [stray(), stray(1), stray()], now=NOON)
    async with database.writing() as connection:
        await unmatched.keep(
            connection, "fake", [stray(reason=Mismatch.SEVERAL_DELIVERIES)], now=NOON + HOUR
        )
        await unmatched.keep(connection, "other", [stray()], now=NOON)
        await unmatched.keep(connection, "fake", [], now=NOON)

    async with database.reading() as connection:
        first, *_ = await unmatched.latest(connection, most=1)
        assert await unmatched.count(connection) == 3
        assert await unmatched.count_since(connection, NOON + HOUR) == 1
        assert await unmatched.count_since(connection, NOON) == 3
    assert (first.times, first.first_received_at, first.received_at) == (3, NOON, NOON + HOUR)
    assert (first.status, first.code, first.detail) == (DeliveryStatus.FAILED, 3, "no such user")


async def test_old_receipts_and_those_beyond_the_limit_are_deleted(database: Database) -> None:
    for number in range(6):
        async with database.writing() as connection:
            await unmatched.keep(connection, "fake", [stray(number)], now=NOON + number * HOUR)

    async with database.writing() as connection:
        gone = await unmatched.forget(connection, before=NOON + 2 * HOUR, most=3)

    assert gone == 3
    assert await kept(database) == [("id-5", 1), ("id-4", 1), ("id-3", 1)]
    async with database.writing() as connection:
        assert await unmatched.forget(connection, before=NOON, most=3) == 0
