"""The promise: no job of a process waits for a connection that another of its jobs holds."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import event, make_url

from db.connect.database import Database
from db.connect.engine import POOLED
from delivery.runners import local, procrastinate
from domain.status import DeliveryMode, DeliveryStatus
from server.process.background import BESIDE, connections_of
from tests.delivery.runners.kinds import at_work, holds, runner_of
from tests.delivery.world import FakeGateway, World, call, mail, people, text_to


class Peak:
    """How many connections of an engine were in use at once, at most."""

    def __init__(self, database: Database) -> None:
        self.count = self.most = 0
        event.listen(database.engine.sync_engine, "checkout", self._out)
        event.listen(database.engine.sync_engine, "checkin", self._in)

    def _out(self, *_: Any) -> None:
        self.count += 1
        self.most = max(self.most, self.count)

    def _in(self, *_: Any) -> None:
        self.count -= 1


@pytest.mark.parametrize(
    ("url", "serves", "most"),
    [
        ("sqlite+aiosqlite:////srv/log.sqlite3", True, 3 * 4 + 4 + 5 + 10),
        ("postgresql+psycopg://host/log", True, 10),
        ("postgresql+psycopg://host/log", False, 6 * 4 + 1 + 5),
    ],
    ids=["SQLite", "PostgreSQL, serving", "PostgreSQL, working"],
)
def test_a_pool_has_a_connection_for_each_job_that_may_wait_for_one(
    url: str, serves: bool, most: int
) -> None:
    """The sums are spelled out, so that who adds a job, or a mode, comes by here."""
    assert (
        local.CONCURRENT_JOBS,
        procrastinate.CONCURRENT_JOBS,
        len(DeliveryMode),
        BESIDE,
        POOLED,
    ) == (*(3, 6, 4, 5, 10),)
    assert connections_of(make_url(url), serves=serves) == most
    if url.startswith("sqlite"):
        pool: Any = Database(url, most=most).engine.pool
        assert pool.size() + pool._max_overflow == most


async def test_a_runner_with_all_hands_at_work_uses_no_more_than_its_sum(database_url: str) -> None:
    most = connections_of(make_url(database_url), serves=False)
    database = Database(database_url, most=most)
    gateways = {
        mode: FakeGateway(batch=2)
        for mode in (DeliveryMode.EMAIL, DeliveryMode.VOICE, DeliveryMode.TEXT)
    }
    world = World(database)
    for number in range(procrastinate.CONCURRENT_JOBS):
        await world.load(people(2, mail, call, text_to), id=f"M-{number}")
    peak = Peak(database)
    open_ = f"select 1 from delivery where status = '{DeliveryStatus.PENDING}' limit 1"

    async def all_is_handed_over() -> bool:
        return not await world.columns_of(open_)

    runner = runner_of(world.runtime_of(gateways, sleep=asyncio.sleep))
    async with at_work(runner):
        await holds(database, all_is_handed_over)

    assert 1 < peak.most <= most
    await database.dispose()
