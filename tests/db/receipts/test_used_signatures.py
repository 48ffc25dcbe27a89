"""A signature is valid for one callback, and is deleted after it has expired."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import writing
from db.receipts import used_signatures
from tests.delivery.world import columns_of
from tests.log import NOON

UNTIL: Final = NOON + timedelta(hours=12)
PATIENCE: Final = 30.0
TOKENS: Final = "select token from seal order by token"

on_postgres = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


async def use(
    engine: AsyncEngine, token: str, *, until: datetime = UNTIL, now: datetime = NOON
) -> bool:
    """Use a signature in a separate transaction."""
    async with writing(engine) as connection:
        return await used_signatures.use(connection, token, until=until, now=now)


async def test_a_signature_is_used_once(engine: AsyncEngine) -> None:
    assert await use(engine, "a")
    assert not await use(engine, "a")
    assert await use(engine, "b")
    assert await columns_of(engine, TOKENS) == [("a",), ("b",)]


async def test_a_signature_is_used_once_in_one_transaction_too(engine: AsyncEngine) -> None:
    async with writing(engine) as connection:
        uses = [await used_signatures.use(connection, "a", until=UNTIL, now=NOON) for _ in range(3)]

    assert uses == [True, False, False]


async def test_a_replay_does_not_make_a_signature_last_longer(engine: AsyncEngine) -> None:
    await use(engine, "a")
    assert not await use(engine, "a", until=UNTIL + timedelta(days=1))

    later = UNTIL + timedelta(seconds=1)
    assert await use(engine, "b", now=later, until=later)
    assert await columns_of(engine, TOKENS) == [("b",)]


async def test_a_transaction_that_fails_leaves_the_signature_unused(engine: AsyncEngine) -> None:
    async def use_and_fail() -> None:
        async with writing(engine) as connection:
            assert await used_signatures.use(connection, "a", until=UNTIL, now=NOON)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await use_and_fail()

    assert await columns_of(engine, TOKENS) == []
    assert await use(engine, "a")


@pytest.mark.parametrize("first_fails", [False, True])
async def test_of_two_concurrent_uses_the_second_waits_for_the_outcome_of_the_first(
    engine: AsyncEngine, first_fails: bool
) -> None:
    is_used, may_end = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with writing(engine) as connection:
            assert await used_signatures.use(connection, "a", until=UNTIL, now=NOON)
            is_used.set()
            await may_end.wait()
            if first_fails:
                raise ZeroDivisionError

    async with asyncio.timeout(PATIENCE):
        going = asyncio.create_task(first())
        await is_used.wait()
        second = asyncio.create_task(use(engine, "a"))
        await columns_of(engine, TOKENS)  # a callback that did not wait would be done by now
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
async def test_expired_signatures_are_deleted(
    engine: AsyncEngine, now: datetime, left: list[str]
) -> None:
    await use(engine, "a")
    await use(engine, "b", until=UNTIL + timedelta(hours=1))

    assert await use(engine, "new", now=now, until=now + timedelta(hours=12))
    assert await columns_of(engine, TOKENS) == [(token,) for token in left]


async def test_many_expired_signatures_are_deleted_in_small_steps_the_oldest_first(
    engine: AsyncEngine,
) -> None:
    for number in range(25):
        await use(engine, f"old {number:02}", until=UNTIL + timedelta(minutes=number))

    later, end = UNTIL + timedelta(days=1), UNTIL + timedelta(days=2)

    await use(engine, "z1", until=end, now=later)
    kept = [(f"old {number:02}",) for number in range(20, 25)]
    assert await columns_of(engine, TOKENS) == [*kept, ("z1",)]

    await use(engine, "z2", until=end, now=later)
    assert await columns_of(engine, TOKENS) == [("z1",), ("z2",)]


@on_postgres
async def test_concurrent_deletions_do_not_wait_for_each_other(engine: AsyncEngine) -> None:
    await use(engine, "old")
    later, end = UNTIL + timedelta(days=1), UNTIL + timedelta(days=2)

    async with writing(engine) as slow, asyncio.timeout(PATIENCE):
        assert await used_signatures.use(slow, "a", until=end, now=later)
        assert await use(engine, "b", until=end, now=later)

    assert await columns_of(engine, TOKENS) == [("a",), ("b",)]
