"""A process that works is listed while it does, and not after a clean end."""

import asyncio

import pytest

from db.connect.database import Database
from db.upkeep import installation
from delivery.upkeep import background_tasks, heartbeat


async def test_a_worker_is_listed_until_its_clean_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    until, listed, pauses = asyncio.Event(), list[str](), list[float]()

    async def pause(seconds: float, until: asyncio.Event) -> None:
        pauses.append(seconds)
        async with database.reading() as connection:
            listed.extend(worker.id for worker in await installation.workers(connection))
        if len(pauses) == 3:
            until.set()

    monkeypatch.setattr(background_tasks, "wait", pause)

    await heartbeat.run_periodically(database, until)

    async with database.reading() as connection:
        assert await installation.workers(connection) == []
    assert pauses == [15.0] * 3
    assert len(listed) == 3
    assert len(set(listed)) == 1


async def test_each_process_has_its_own_name(database: Database) -> None:
    ends = [asyncio.Event() for _ in range(3)]
    beats = [
        asyncio.ensure_future(heartbeat.run_periodically(database, until, pause=0.01))
        for until in ends
    ]
    while True:
        async with database.reading() as connection:
            if len(names := {one.id for one in await installation.workers(connection)}) == 3:
                break
    for until in ends:
        until.set()
    await asyncio.gather(*beats)

    assert len(names) == 3
