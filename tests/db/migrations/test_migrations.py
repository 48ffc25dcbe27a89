"""The promise: a migrated database has the tables as the program knows them, no more and no fewer."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import writing
from db.migrations import current, drift, head


async def test_a_migrated_database_has_the_tables_of_the_program(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await connection.run_sync(drift) == []
    assert await current(engine) == head()


async def test_a_table_that_differs_is_found(engine: AsyncEngine) -> None:
    async with writing(engine) as connection:
        await connection.execute(text("DROP TABLE budget"))
        found: list[Any] = await connection.run_sync(drift)

    assert [(change, table.name) for change, table in found] == [("add_table", "budget")]
