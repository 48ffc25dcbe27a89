"""A viewer cannot exceed its budget, however many processes answer."""

import asyncio

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import writing
from db.tables.operations import BUDGET
from db.upkeep.budget import draw, forget_full
from tests.log import NOON


async def drawn(
    engine: AsyncEngine, cost: int, *, viewer: str = "plainview/u1", per_second: float = 0.01
) -> int | None:
    async with writing(engine) as connection:
        return await draw(connection, viewer, cost=cost, capacity=100, per_second=per_second)


async def test_each_cost_is_taken_from_the_rest(engine: AsyncEngine) -> None:
    assert [await drawn(engine, cost) for cost in (30, 30, 41, 40, 1)] == [70, 40, None, 0, None]


async def test_each_viewer_has_its_own_budget(engine: AsyncEngine) -> None:
    assert await drawn(engine, 100) == 0
    assert await drawn(engine, 100, viewer="plainview/u2") == 0


async def test_a_budget_refills_up_to_its_capacity(engine: AsyncEngine) -> None:
    await drawn(engine, 100)
    async with writing(engine) as connection:
        await connection.execute(update(BUDGET).values(empty_at=NOON))

    assert await drawn(engine, 60) == 40
    assert await drawn(engine, 60) is None


async def test_concurrent_requests_cannot_exceed_the_budget(engine: AsyncEngine) -> None:
    left = await asyncio.gather(*[drawn(engine, 10) for _ in range(15)])

    assert sorted(one for one in left if one is not None) == pytest.approx(range(0, 100, 10), abs=1)


async def test_full_budgets_are_deleted(engine: AsyncEngine) -> None:
    await drawn(engine, 100)
    await drawn(engine, 100, viewer="plainview/u2")
    async with writing(engine) as connection:
        gone = BUDGET.c.viewer == "plainview/u2"
        await connection.execute(update(BUDGET).where(gone).values(empty_at=NOON))
        assert await forget_full(connection) == 1
        assert (await connection.scalars(select(BUDGET.c.viewer))).all() == ["plainview/u1"]

    assert await drawn(engine, 1) is None
