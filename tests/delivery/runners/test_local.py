"""Promises of the runner for a SQLite file beyond those of both: the order of jobs, and announcements."""

import asyncio
from datetime import datetime

import pytest

from delivery.dispatch.due_work import Job
from delivery.runners.local import JobQueue
from tests.delivery.runners.kinds import PATIENCE, all_handed_over, announce, at_work, runner_of
from tests.delivery.world import Clock, World, mail, people, runtime_of

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_messages_take_turns_and_begin_with_their_first_chunk() -> None:
    waiting = JobQueue()
    for job in (Job(1, 2), Job(1, 1), Job(1, 0), Job(2, 0), Job(2, 1)):
        waiting.add(job)

    taken = [await waiting.take() for _ in range(3)]
    waiting.add(Job(3, 5))
    taken += [await waiting.take() for _ in range(3)]

    assert taken == [Job(1, 0), Job(2, 0), Job(1, 1), Job(3, 5), Job(2, 1), Job(1, 2)]


async def test_a_closed_queue_gives_no_job() -> None:
    waiting = JobQueue()
    takers = [asyncio.create_task(waiting.take()) for _ in range(3)]
    await asyncio.sleep(0)  # so that they wait

    waiting.add(Job(1, 0))
    waiting.close()

    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*takers) == [None, None, None]
        assert await waiting.take() is None


@on_sqlite
async def test_an_announcement_goes_with_its_transaction(world: World) -> None:
    runner = runner_of(world.runtime, has_rounds=False)

    async def announce_and_fail() -> None:
        async with world.database.writing() as connection:
            await runner.announce(connection)
            raise ZeroDivisionError

    first = await world.load(people(1, mail))
    async with at_work(runner):
        await all_handed_over(world.database, first)  # found when it began
        second = await world.load(people(1, mail), id="M-2")
        with pytest.raises(ZeroDivisionError):
            await announce_and_fail()
    assert await world.statuses(second) == {"PENDING": 1}

    runner = runner_of(world.runtime, has_rounds=False)
    async with at_work(runner):
        await announce(world.database, runner)
        await all_handed_over(world.database, second)


@on_sqlite
async def test_a_failed_round_is_repeated(world: World) -> None:
    class LateClock(Clock):
        """A clock that fails at its first call."""

        has_failed = False

        def __call__(self) -> datetime:
            if not self.has_failed:
                self.has_failed = True
                raise ZeroDivisionError
            return super().__call__()

    message_id = await world.load(people(1, mail))

    async with at_work(runner_of(runtime_of(world.database, LateClock(), world.gateway))):
        await all_handed_over(world.database, message_id)

    assert len(world.gateway.given) == 1
