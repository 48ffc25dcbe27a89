"""Expired rows are deleted by every worker, also after errors."""

from sqlalchemy import insert, select

from db.connect.database import Database
from db.tables.operations import BUDGET
from delivery.upkeep import expired_budgets
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
