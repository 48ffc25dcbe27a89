"""All processes together keep the rate limit of a provider."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from db.connect.database import Database
from db.dispatch import provider_rate
from db.tables.operations import PACE
from tests.delivery.world import World
from tests.log import NOON

FOREVER = timedelta(days=1)
NO_WAIT = timedelta()


async def reserve(
    database: Database,
    handovers: int = 1,
    *,
    per_second: float = 0.1,
    longest: timedelta = FOREVER,
    gateway: str = "twilio",
) -> timedelta | None:
    async with database.writing() as connection:
        return await provider_rate.reserve(
            connection, gateway, handovers=handovers, per_second=per_second, longest=longest
        )


async def is_held(database: Database, gateway: str = "twilio") -> bool:
    async with database.reading() as connection:
        return gateway in await provider_rate.waits(connection)


async def free_at(database: Database) -> datetime:
    async with database.reading() as connection:
        found: datetime = (await connection.execute(select(PACE.c.free_at))).scalar_one()
        return found


def seconds(wait: timedelta | None) -> float:
    assert wait is not None
    return wait.total_seconds()


async def test_slots_are_reserved_one_after_another(database: Database) -> None:
    assert await reserve(database) == NO_WAIT
    assert seconds(await reserve(database, 3)) == pytest.approx(10, abs=2)
    assert seconds(await reserve(database)) == pytest.approx(40, abs=2)


async def test_each_provider_has_its_own_rate(database: Database) -> None:
    await reserve(database)

    assert await reserve(database, gateway="mailgun") == NO_WAIT


async def test_unused_slots_do_not_accumulate(database: Database) -> None:
    await reserve(database)
    async with database.writing() as connection:
        await connection.execute(update(PACE).values(free_at=NOON))

    assert await reserve(database) == NO_WAIT
    assert seconds(await reserve(database)) == pytest.approx(10, abs=2)


async def test_a_wait_that_is_too_long_reserves_nothing(world: World) -> None:
    await reserve(world.database, 2)
    before = await world.columns_of("select * from pace")

    assert await reserve(world.database, longest=timedelta(seconds=15)) is None
    assert await world.columns_of("select * from pace") == before
    assert seconds(await reserve(world.database, longest=timedelta(seconds=25))) <= 20


async def test_concurrent_reservations_get_different_slots(database: Database) -> None:
    waits = sorted(
        [seconds(wait) for wait in await asyncio.gather(*(reserve(database) for _ in range(30)))]
    )

    # Ten seconds a place. Between the first and the last to come lies less than the tolerance.
    assert waits == pytest.approx([10 * place for place in range(30)], abs=3)


@pytest.mark.parametrize("per_second", [3000.0, 700.0, 1.5, 0.01])
async def test_a_rate_finer_than_the_clock_is_kept(database: Database, per_second: float) -> None:
    """SQLite's clock has milliseconds, and three thousand per second are three in one."""
    await reserve(database, 10_000, per_second=per_second)
    before = await free_at(database)

    await reserve(database, 10, per_second=per_second, longest=timedelta(days=20))

    width = (await free_at(database) - before).total_seconds()
    assert 10 / per_second - 0.000_002 <= width < 10 / per_second + 0.001


async def test_a_blocked_provider_is_not_used(database: Database) -> None:
    async with database.writing() as connection:
        await provider_rate.hold(connection, "twilio", pause=timedelta(minutes=5))

    assert await is_held(database)
    assert await reserve(database, longest=timedelta(minutes=4)) is None
    assert not await is_held(database, "mailgun")


async def test_a_block_is_never_shortened(database: Database) -> None:
    for minutes in (5, 1):
        async with database.writing() as connection:
            await provider_rate.hold(connection, "twilio", pause=timedelta(minutes=minutes))

    assert seconds(await reserve(database)) == pytest.approx(300, abs=3)


async def test_a_provider_is_free_again_when_its_pause_is_over(database: Database) -> None:
    async with database.writing() as connection:
        await provider_rate.hold(connection, "twilio", pause=timedelta(seconds=-1))

    assert not await is_held(database)
    assert await reserve(database) == NO_WAIT
