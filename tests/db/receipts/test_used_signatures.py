"""A signature is valid for one callback, and is deleted after it has expired."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import pytest

from db.connect.database import Database
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
    database: Database, token: str, *, until: datetime = UNTIL, now: datetime = NOON
) -> bool:
    """Use a signature in a separate transaction."""
    async with database.writing() as connection:
        return await used_signatures.use(connection, token, until=until, now=now)


async def test_a_signature_is_used_once(database: Database) -> None:
    assert await use(database, "a")
    assert not await use(database, "a")
    assert await use(database, "b")
    assert await columns_of(database, TOKENS) == [("a",), ("b",)]


async def test_a_signature_is_used_once_in_one_transaction_too(database: Database) -> None:
    async with database.writing() as connection:
        uses = [await used_signatures.use(connection, "a", until=UNTIL, now=NOON) for _ in range(3)]

    assert uses == [True, False, False]


async def test_a_replay_does_not_make_a_signature_last_longer(database: Database) -> None:
    await use(database, "a")
    assert not await use(database, "a", until=UNTIL + timedelta(days=1))

    later = UNTIL + timedelta(seconds=1)
    assert await use(database, "b", now=later, until=later)
    assert await columns_of(database, TOKENS) == [("b",)]


async def test_a_transaction_that_fails_leaves_the_signature_unused(database: Database) -> None:
    async def use_and_fail() -> None:
        async with database.writing() as connection:
            assert await used_signatures.use(connection, "a", until=UNTIL, now=NOON)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await use_and_fail()

    assert await columns_of(database, TOKENS) == []
    assert await use(database, "a")


@pytest.mark.parametrize("first_fails", [False, True])
async def test_of_two_concurrent_uses_the_second_waits_for_the_outcome_of_the_first(
    database: Database, first_fails: bool
) -> None:
    is_used, may_end = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with database.writing() as connection:
            assert await used_signatures.use(connection, "a", until=UNTIL, now=NOON)
            is_used.set()
            await may_end.wait()
            if first_fails:
                raise ZeroDivisionError

    async with asyncio.timeout(PATIENCE):
        going = asyncio.create_task(first())
        await is_used.wait()
        second = asyncio.create_task(use(database, "a"))
        await columns_of(database, TOKENS)  # a callback that did not wait would be done by now
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
    database: Database, now: datetime, left: list[str]
) -> None:
    await use(database, "a")
    await use(database, "b", until=UNTIL + timedelta(hours=1))

    assert await use(database, "new", now=now, until=now + timedelta(hours=12))
    assert await columns_of(database, TOKENS) == [(token,) for token in left]


async def test_many_expired_signatures_are_deleted_in_small_steps_the_oldest_first(
    database: Database,
) -> None:
    for number in range(25):
        await use(database, f"old {number:02}", until=UNTIL + timedelta(minutes=number))

    later, end = UNTIL + timedelta(days=1), UNTIL + timedelta(days=2)

    await use(database, "z1", until=end, now=later)
    kept = [(f"old {number:02}",) for number in range(20, 25)]
    assert await columns_of(database, TOKENS) == [*kept, ("z1",)]

    await use(database, "z2", until=end, now=later)
    assert await columns_of(database, TOKENS) == [("z1",), ("z2",)]


@on_postgres
async def test_concurrent_deletions_do_not_wait_for_each_other(database: Database) -> None:
    await use(database, "old")
    later, end = UNTIL + timedelta(days=1), UNTIL + timedelta(days=2)

    async with database.writing() as slow, asyncio.timeout(PATIENCE):
        assert await used_signatures.use(slow, "a", until=end, now=later)
        assert await use(database, "b", until=end, now=later)

    assert await columns_of(database, TOKENS) == [("a",), ("b",)]
