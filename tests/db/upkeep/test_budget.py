"""A viewer cannot exceed its budget, however many processes answer."""

import asyncio

import pytest
from sqlalchemy import select, update

from db.connect.database import Database
from db.tables.operations import BUDGET
from db.upkeep.budget import draw, forget_full
from tests.log import NOON


async def drawn(
    database: Database, cost: int, *, viewer: str = "plainview/u1", per_second: float = 0.01
) -> int | None:
    async with database.writing() as connection:
        return await draw(connection, viewer, cost=cost, capacity=100, per_second=per_second)


async def test_each_cost_is_taken_from_the_rest(database: Database) -> None:
    assert [await drawn(database, cost) for cost in (30, 30, 41, 40, 1)] == [70, 40, None, 0, None]


async def test_each_viewer_has_its_own_budget(database: Database) -> None:
    assert await drawn(database, 100) == 0
    assert await drawn(database, 100, viewer="plainview/u2") == 0


async def test_a_budget_refills_up_to_its_capacity(database: Database) -> None:
    await drawn(database, 100)
    async with database.writing() as connection:
        await connection.execute(update(BUDGET).values(empty_at=NOON))

    assert await drawn(database, 60) == 40
    assert await drawn(database, 60) is None


async def test_concurrent_requests_cannot_exceed_the_budget(database: Database) -> None:
    left = await asyncio.gather(*[drawn(database, 10) for _ in range(15)])

    assert sorted(one for one in left if one is not None) == pytest.approx(range(0, 100, 10), abs=1)


async def test_full_budgets_are_deleted(database: Database) -> None:
    await drawn(database, 100)
    await drawn(database, 100, viewer="plainview/u2")
    async with database.writing() as connection:
        gone = BUDGET.c.viewer == "plainview/u2"
        await connection.execute(update(BUDGET).where(gone).values(empty_at=NOON))
        assert await forget_full(connection) == 1
        assert (await connection.scalars(select(BUDGET.c.viewer))).all() == ["plainview/u1"]

    assert await drawn(database, 1) is None
