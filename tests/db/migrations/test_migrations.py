"""A migrated database has exactly the declared tables."""

from typing import Any

from sqlalchemy import text

from db.connect.database import Database
from db.migrations import current, drift, head


async def test_a_migrated_database_has_the_tables_of_the_program(database: Database) -> None:
    async with database.engine.connect() as connection:
        assert await connection.run_sync(drift) == []
    assert await current(database) == head()


async def test_a_different_table_is_found(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(text("DROP TABLE budget"))
        found: list[Any] = await connection.run_sync(drift)

    assert [(change, table.name) for change, table in found] == [("add_table", "budget")]
