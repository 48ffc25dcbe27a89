"""Expired rows are deleted by every worker, also after errors."""

import asyncio

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import make_engine, reading, writing
from db.tables.operations import BUDGET
from delivery.upkeep import expired_budgets
from tests.log import NOON


async def test_full_budgets_are_deleted(engine: AsyncEngine) -> None:
    rows = [
        {"viewer": "plainview/gone", "empty_at": NOON},
        {"viewer": "plainview/here", "empty_at": NOON.replace(year=2900)},
    ]
    async with writing(engine) as connection:
        await connection.execute(insert(BUDGET), rows)

    assert await expired_budgets.forget(engine, now=NOON) == 1

    async with reading(engine) as connection:
        assert (await connection.scalars(select(BUDGET.c.viewer))).all() == ["plainview/here"]


async def test_a_database_outage_does_not_end_the_deletion(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    until, rounds = asyncio.Event(), 0

    async def pause(seconds: float, until: asyncio.Event) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            until.set()

    monkeypatch.setattr(expired_budgets, "wait", pause)
    engine = make_engine(f"sqlite+aiosqlite:///{tmp_path}/absent/sentlog.sqlite3")

    await expired_budgets.run_periodically(engine, until, clock=lambda: NOON)

    assert rounds == 3
    await engine.dispose()
