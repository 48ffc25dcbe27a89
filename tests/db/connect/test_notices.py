"""A waiter for a subject is woken by changes of any process, and after each time in which notices may have been missed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from structlog.testing import capture_logs

from db.connect.database import Database
from db.connect.notices import PAUSE, Notices, Watch
from db.dispatch import in_flight
from db.dispatch.changes import settle
from tests.delivery.world import World, mail, people
from tests.log import NOON

PATIENCE: Final = 30.0
FIRST: Final = "message.1"
EARS: Final = (
    "select pid from pg_stat_activity where datname = current_database() and query like 'LISTEN %'"
)

on_postgres = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Pauses:
    """`asyncio.sleep` for one who sleeps, whom the test wakes."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()
        self._over = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        assert seconds == PAUSE
        self._over.clear()
        self._begun.set()
        await self._over.wait()

    async def begun(self) -> None:
        """Wait until somebody sleeps."""
        await self._begun.wait()

    def end(self) -> None:
        """Wake the sleeper."""
        self._begun.clear()
        self._over.set()


async def change(database: Database, message_id: int = 1) -> None:
    """Change a message so that a client can see it."""
    async with database.writing() as connection:
        found = await in_flight.lock(connection, message_id)
        assert found is not None
        await settle(connection, found, now=NOON)


async def rings(watch: Watch) -> bool:
    """Return whether the waiter was woken."""
    waiting = asyncio.ensure_future(watch.changed())
    await asyncio.sleep(0)
    if waiting.done():
        return True
    waiting.cancel()
    return False


@pytest.fixture
async def elsewhere(database_url: str) -> AsyncIterator[Database]:
    """The database as another process opens it."""
    database = Database(database_url)
    yield database
    await database.dispose()


@asynccontextmanager
async def listening(notices: Notices) -> AsyncIterator[Watch]:
    """A waiter for the first message, after its first wake-up."""
    async with asyncio.timeout(PATIENCE), notices.listening():
        with notices.watch(FIRST) as watch:
            await watch.changed()
            yield watch


# Waiters


@on_sqlite
async def test_notices_before_a_wait_are_not_lost_and_count_once(database: Database) -> None:
    notices = Notices(database)
    with notices.watch(FIRST) as watch:
        assert not await rings(watch)
        notices.ring(FIRST)
        notices.ring(FIRST)
        assert await rings(watch)
        assert not await rings(watch)


@on_sqlite
async def test_a_notice_wakes_all_waiters_for_its_subject_and_no_others(
    database: Database,
) -> None:
    notices = Notices(database)
    with notices.watch(FIRST) as one, notices.watch(FIRST) as two, notices.watch("report.1") as no:
        notices.ring(FIRST)
        assert [await rings(watch) for watch in (one, two, no)] == [True, True, False]

        notices.ring_all()
        assert [await rings(watch) for watch in (one, two, no)] == [True, True, True]


@on_sqlite
async def test_a_waiter_that_leaves_is_removed_and_others_stay(database: Database) -> None:
    notices = Notices(database)

    def leave_by(fault: Callable[[], object]) -> None:
        with notices.watch(FIRST):
            assert notices.watches == 2
            fault()

    with notices.watch(FIRST) as stays:
        leave_by(lambda: None)
        with pytest.raises(ZeroDivisionError):
            leave_by(lambda: 1 / 0)
        assert notices.watches == 1
        notices.ring(FIRST)
        assert await rings(stays)

    assert notices.watches == 0
    notices.ring(FIRST)
    notices.ring_all()


# Sources of notices


async def test_commits_of_this_process_and_of_another_wake_a_waiter(
    world: World, elsewhere: Database
) -> None:
    await world.load(people(1, mail))
    pauses = Pauses()
    async with listening(Notices(world.database, sleep=pauses)) as watch:
        assert not await rings(watch)
        for writer in (world.database, elsewhere):
            await change(writer)
            if not world.database.is_postgresql:
                await pauses.begun()
                pauses.end()
            await watch.changed()


@on_postgres
async def test_only_a_commit_wakes_and_only_the_waiters_for_its_subject(
    world: World, elsewhere: Database
) -> None:
    await world.load(people(1, mail))
    await world.load(people(1, mail), id="M-2")
    notices = Notices(world.database, sleep=Pauses())

    async def change_and_fail() -> None:
        async with elsewhere.writing() as connection:
            found = await in_flight.lock(connection, 1)
            assert found is not None
            await settle(connection, found, now=NOON)
            raise ZeroDivisionError

    async with listening(notices) as first:
        with notices.watch("message.2") as second:
            with pytest.raises(ZeroDivisionError):
                await change_and_fail()
            await change(elsewhere, 2)  # notices come in the order of their commits
            await second.changed()
        assert not await rings(first)


@on_sqlite
async def test_on_sqlite_a_commit_of_this_process_wakes_at_once(world: World) -> None:
    await world.load(people(1, mail))
    async with listening(Notices(world.database, sleep=Pauses())) as watch:
        await change(world.database)
        assert await rings(watch)


@on_sqlite
async def test_on_sqlite_a_check_without_a_change_wakes_nobody(
    world: World, elsewhere: Database
) -> None:
    await world.load(people(1, mail))
    pauses = Pauses()
    async with listening(Notices(world.database, sleep=pauses)) as watch:
        for _ in range(3):
            await pauses.begun()
            pauses.end()
        await pauses.begun()
        assert not await rings(watch)

        await change(elsewhere)
        assert not await rings(watch)
        pauses.end()
        await watch.changed()


@on_postgres
async def test_a_lost_connection_is_reopened_and_all_waiters_wake(
    world: World, elsewhere: Database
) -> None:
    await world.load(people(1, mail))
    pauses = Pauses()
    with capture_logs() as entries:
        async with listening(Notices(world.database, sleep=pauses)) as watch:
            for _ in range(2):
                ((ear,),) = await World(elsewhere).columns_of(EARS)
                await World(elsewhere).columns_of(f"select pg_terminate_backend({ear})")
                await pauses.begun()
                await change(elsewhere)  # which nobody hears
                assert not await rings(watch)

                pauses.end()
                await watch.changed()
                assert not await rings(watch)
                await change(elsewhere)
                await watch.changed()

    assert [(entry["event"], entry["log_level"]) for entry in entries] == [
        ("listening for changes failed", "warning")
    ] * 2


async def test_an_unavailable_database_is_retried_until_it_is_back(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/later/sentlog.sqlite3")
    pauses = Pauses()
    with capture_logs() as entries:
        async with asyncio.timeout(PATIENCE), Notices(database, sleep=pauses).listening():
            for _ in range(3):
                await pauses.begun()
                pauses.end()
    await database.dispose()

    assert len(entries) >= 3
    assert {entry["event"] for entry in entries} == {"listening for changes failed"}


async def test_after_the_end_nobody_is_woken_and_no_connection_is_left(
    world: World, elsewhere: Database
) -> None:
    await world.load(people(1, mail))
    notices = Notices(world.database, sleep=Pauses())
    with notices.watch(FIRST) as watch:
        async with asyncio.timeout(PATIENCE), notices.listening():
            await watch.changed()
        await change(world.database)
        assert not await rings(watch)

    if world.database.is_postgresql:
        async with asyncio.timeout(PATIENCE):
            while await World(elsewhere).columns_of(EARS):  # the server closes it in its own time
                pass
