"""Expired rows are deleted by every worker, also after errors."""

import asyncio

import pytest
from sqlalchemy import insert, select

from db.connect.database import Database
from db.tables.operations import BUDGET
from delivery.upkeep import background_tasks, expired_budgets
from tests.log import NOON


async def test_full_budgets_are_deleted(database: Database) -> None:
    rows = [
        {"viewer": "plainview/gone", "empty_at": NOON},
        {"viewer": "plainview/here", "empty_at": NOON.replace(year=2900)},
    ]
    async with database.writing() as connection:
        await connection.execute(insert(BUDGET), rows)

    assert await expired_budgets.forget(database, now=NOON) == 1

    async with database.reading() as connection:
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

    monkeypatch.setattr(background_tasks, "wait", pause)
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/absent/sentlog.sqlite3")

    await expired_budgets.run_periodically(database, until, clock=lambda: NOON)

    assert rounds == 3
    await database.dispose()
