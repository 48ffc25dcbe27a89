"""Generate a new migration from the difference between the tables and the migrations."""

import asyncio
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import Connection

from db.connect.database import Database
from db.migrations import configuration, upgrade


async def write(title: str) -> None:
    """Compare the tables with a migrated scratch database, and write the difference as a revision with this title."""

    def revise(connection: Connection) -> None:
        command.revision(
            configuration(str(Path(__file__).parent), connection), title, autogenerate=True
        )

    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite+aiosqlite:///{folder}/scratch.sqlite3")
        await upgrade(database)
        async with database.engine.begin() as connection:
            await connection.run_sync(revise)
        await database.dispose()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].strip():
        sys.exit('Say what the migration changes: make migration NAME="add the opt-outs"')
    asyncio.run(write(sys.argv[1]))
