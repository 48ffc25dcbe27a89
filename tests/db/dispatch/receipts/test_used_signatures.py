"""A signature is valid for one callback, and is deleted after it has expired."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import pytest

from db.connect.database import Database
from db.dispatch.receipts import used_signatures
from tests.delivery.world import World
from tests.log import NOON

UNTIL: Final = NOON + timedelta(hours=12)
PATIENCE: Final = 30.0
TOKENS: Final = "select token from seal order by token"

on_postgres = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


async def use(
    database: Database, token: str, *, until: datetime = UNTIL, now: datetime = NOON
) -> bool:
    """Use a signature in a separate transaction."""
    async with database.writing() as connection:
        return await used_signatures.use(connection, token, until=until, now=now)


async def test_a_signature_is_used_once(world: World) -> None:
    assert await use(world.database, "a")
    assert not await use(world.database, "a")
    assert await use(world.database, "b")
    assert await world.columns_of(TOKENS) == [("a",), ("b",)]


async def test_a_signature_is_used_once_in_one_transaction_too(database: Database) -> None:
    async with database.writing() as connection:
        uses = [await used_signatures.use(connection, "a", until=UNTIL, now=NOON) for _ in range(3)]

    assert uses == [True, False, False]


async def test_a_replay_does_not_make_a_signature_last_longer(world: World) -> None:
    await use(world.database, "a")
    assert not await use(world.database, "a", until=UNTIL + timedelta(days=1))

    later = UNTIL + timedelta(seconds=1)
    assert await use(world.database, "b", now=later, until=later)
    assert await world.columns_of(TOKENS) == [("b",)]


async def test_a_transaction_that_fails_leaves_the_signature_unused(world: World) -> None:
    async def use_and_fail() -> None:
        async with world.database.writing() as connection:
            assert await used_signatures.use(connection, "a", until=UNTIL, now=NOON)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await use_and_fail()

    assert await world.columns_of(TOKENS) == []
    assert await use(world.database, "a")


@pytest.mark.parametrize("first_fails", [False, True])
async def test_of_two_concurrent_uses_the_second_waits_for_the_outcome_of_the_first(
    world: World, first_fails: bool
) -> None:
    is_used, may_end = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with world.database.writing() as connection:
            assert await used_signatures.use(connection, "a", until=UNTIL, now=NOON)
            is_used.set()
            await may_end.wait()
            if first_fails:
                raise ZeroDivisionError

    async with asyncio.timeout(PATIENCE):
        going = asyncio.create_task(first())
        await is_used.wait()
        second = asyncio.create_task(use(world.database, "a"))
        await world.columns_of(TOKENS)  # a callback that did not wait would be done by now
        assert not second.done()
        may_end.set()
        await asyncio.gather(going, return_exceptions=True)
        assert await second is first_fails


@pytest.mark.parametrize(
    ("now", "left"),
    [
        (UNTIL, ["a", "b", "new"]),
        (UNTIL + timedelta(microseconds=1), ["b", "new"]),
        (UNTIL + timedelta(hours=1), ["b", "new"]),
        (UNTIL + timedelta(hours=1, microseconds=1), ["new"]),
    ],
)
async def test_expired_signatures_are_deleted(world: World, now: datetime, left: list[str]) -> None:
    await use(world.database, "a")
    await use(world.database, "b", until=UNTIL + timedelta(hours=1))

    assert await use(world.database, "new", now=now, until=now + timedelta(hours=12))
    assert await world.columns_of(TOKENS) == [(token,) for token in left]


async def test_many_expired_signatures_are_deleted_in_small_steps_the_oldest_first(
    world: World,
) -> None:
    for number in range(25):
        await use(world.database, f"old {number:02}", until=UNTIL + timedelta(minutes=number))

    later, end = UNTIL + timedelta(days=1), UNTIL + timedelta(days=2)

    await use(world.database, "z1", until=end, now=later)
    kept = [(f"old {number:02}",) for number in range(20, 25)]
    assert await world.columns_of(TOKENS) == [*kept, ("z1",)]

    await use(world.database, "z2", until=end, now=later)
    assert await world.columns_of(TOKENS) == [("z1",), ("z2",)]


@on_postgres
async def test_concurrent_deletions_do_not_wait_for_each_other(world: World) -> None:
    await use(world.database, "old")
    later, end = UNTIL + timedelta(days=1), UNTIL + timedelta(days=2)

    async with world.database.writing() as slow, asyncio.timeout(PATIENCE):
        assert await used_signatures.use(slow, "a", until=end, now=later)
        assert await use(world.database, "b", until=end, now=later)

    assert await world.columns_of(TOKENS) == [("a",), ("b",)]
