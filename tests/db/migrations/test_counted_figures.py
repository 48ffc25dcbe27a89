"""The backfill counts the figures of an old log, as far as its rows still tell them."""

from typing import Any

import pytest
from sqlalchemy import delete, select, update

from db.connect.database import Database
from db.migrations import backfills, counted_figures
from db.tables.figures import FIGURE, FIGURE_CHANGE
from db.tables.log import DELIVERY, DELIVERY_EVENT, MESSAGE
from db.tables.operations import BACKFILL
from delivery.gateways.base import Accepted, Handover, Outcome
from domain.status import DeliveryStatus
from resolvers.audit.recount import check
from tests.delivery.world import FakeGateway, World, call, mail, people
from tests.log import NOON


def send(handover: Handover) -> Outcome:
    return Accepted(f"REF-{handover.key}", DeliveryStatus.SENT)


async def figures(database: Database) -> list[tuple[Any, ...]]:
    async with database.reading() as connection:
        rows = await connection.execute(select(FIGURE).where(FIGURE.c.deliveries != 0))
        return sorted(map(tuple, rows))


async def forget(database: Database) -> None:
    """Bring the log to the state before the migration."""
    async with database.writing() as connection:
        for table in (FIGURE, FIGURE_CHANGE, BACKFILL):
            await connection.execute(delete(table))


@pytest.mark.parametrize("batch", [1, 2, 200])
async def test_an_old_log_is_counted_as_if_it_had_been_counted_from_the_start(
    database: Database, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(counted_figures, "MESSAGES", batch)
    world = World(database)
    world.use(FakeGateway(answer=send))
    for name in ("M-1", "M-2", "M-3"):
        await world.load(people(3, call, mail), id=name)
    await world.work()
    counted = await figures(database)
    assert {row[2] for row in counted} == {"fake"}
    await forget(database)
    assert not (await check(database)).is_clean

    await backfills.run(database)

    assert await figures(database) == counted
    assert (await check(database)).is_clean
    async with database.reading() as connection:
        changes = (await connection.execute(select(FIGURE_CHANGE))).all()
        assert [(row.message_id, row.day) for row in changes] == [
            (row[0], "2020-01-31") for row in counted[:: len(counted) // 3]
        ]


async def test_a_purged_message_gets_the_figures_of_its_tallies(database: Database) -> None:
    world = World(database)
    world.use(FakeGateway(answer=send))
    await world.load(people(3, call))
    await world.work()
    [(message_id, mode, _, status, _, count)] = await figures(database)
    await forget(database)
    async with database.writing() as connection:
        await connection.execute(delete(DELIVERY_EVENT))
        await connection.execute(delete(DELIVERY))
        await connection.execute(update(MESSAGE).values(purged_at=NOON))

    await backfills.run(database)

    assert await figures(database) == [(message_id, mode, "", status, -1, count)]
