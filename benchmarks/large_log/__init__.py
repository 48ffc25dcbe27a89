"""Writes a large log directly into the tables, because the ingest of a million messages would take minutes.

    python -m benchmarks.large_log --url sqlite+aiosqlite:////tmp/large.sqlite3 --deliveries 2000000
    python -m benchmarks.large_log --url postgresql+psycopg://USER@HOST/EMPTY_DATABASE --deliveries 10000000

Three years of one district. Messages are in the order of their creation, each to the next few of its people. The first
goes to 200,000 people with 500,000 deliveries, the second to a hundred. Everything is recorded history, and deterministic.
Rows, keys and counters are as the ingest writes them (`sentlog check` confirms it).
"""

import asyncio
import time

from sqlalchemy import make_url

from benchmarks.large_log.rows import Size, loads, size_of
from benchmarks.large_log.stores import Postgresql, Sqlite, Store
from db import migrations
from db.connect.database import Database

__all__ = ["build", "size_of"]


def build(url: str, size: Size) -> None:
    """Migrate the empty database at `url` and fill it."""
    asyncio.run(_migrate(url))
    named = make_url(url)
    if named.get_backend_name() == "sqlite":
        store: Store = Sqlite(named.database or "")
    else:
        plain = named.set(drivername="postgresql")
        store = Postgresql(plain.render_as_string(hide_password=False))
    store.drop_indexes()
    for load in loads(size):
        began = time.perf_counter()
        store.write(load)
        print(f"{load.table:12} {time.perf_counter() - began:6.1f} s", flush=True)
    began = time.perf_counter()
    store.finish()
    print(f"{'indexes':12} {time.perf_counter() - began:6.1f} s", flush=True)


async def _migrate(url: str) -> None:
    database = Database(url)
    await migrations.upgrade(database)
    await database.dispose()
