"""No filter scans the audit, according to the query plans of both databases."""

from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import insert, text

from db.audit.entries import Action
from db.audit.trail import TrailFilter, newest_first, page_of
from db.connect.database import Database
from db.tables.operations import AUDIT
from domain.paging import Page
from tests.log import NOON, district, load
from tests.statements import Statement, recorded, tables_read_whole

ROWS: Final = 6_000
DAY: Final = (NOON, NOON + timedelta(days=1))
FILTERS: Final[dict[str, dict[str, Any]]] = {
    "nothing": {},
    "viewer": {"viewer_id": "u7"},
    "action": {"action": Action.CANCEL_MESSAGE},
    "subject": {"subject": "message.70"},
    "days": {"between": DAY},
    "viewer and days": {"viewer_id": "u7", "between": DAY},
    "all": {
        "viewer_id": "u7",
        "action": Action.OPEN_RECIPIENTS,
        "subject": "message.70",
        "between": DAY,
    },
}


@pytest.fixture
async def audit(database: Database) -> Database:
    """An audit of a hundred days."""
    await load(database, district(), district("north", name="North"))
    rows = [
        {
            "at": NOON + timedelta(minutes=24 * n),
            "district_id": 1 + n % 2,
            "viewer_id": f"u{n % 97}",
            "action": Action.CANCEL_MESSAGE if n % 500 == 0 else Action.OPEN_RECIPIENTS,
            "subject": f"message.{n % 1_000}",
        }
        for n in range(ROWS)
    ]
    async with database.writing() as connection:
        await connection.execute(insert(AUDIT), rows)
        if database.is_postgresql:
            await connection.execute(text("ANALYZE audit"))
    return database


@pytest.mark.parametrize("asked", FILTERS.values(), ids=FILTERS)
async def test_a_filter_reads_only_its_entries(audit: Database, asked: dict[str, Any]) -> None:
    wanted = TrailFilter(1, **asked)
    order = newest_first(wanted)
    async with audit.reading() as connection:
        with recorded(audit) as statements:
            first = await page_of(
                connection, wanted, order=order, page=Page(5, None, None, backward=False)
            )
            cursor = order.cursors.encode(first.keys[-1]) if first.keys else None
            await page_of(
                connection, wanted, order=order, page=Page(5, cursor, None, backward=False)
            )
        plans = [await plan(connection, one) for one in list(statements)]
        read = [await tables_read_whole(connection, one) for one in list(statements)]

    assert read == [[] for _ in plans]
    assert ["TEMP B-TREE" in one for one in plans] == [False for _ in plans]


async def test_a_plan_that_scans_the_audit_is_detected(audit: Database) -> None:
    statement = Statement("SELECT count(*) FROM audit WHERE origin = 'x'", ())
    async with audit.reading() as connection:
        assert await tables_read_whole(connection, statement) == ["audit"]


async def plan(connection: Any, statement: Statement) -> str:
    """Return SQLite's query plan; on PostgreSQL the number of rows read shows a sort."""
    if connection.dialect.name != "sqlite":
        return ""
    steps = await connection.exec_driver_sql(
        f"EXPLAIN QUERY PLAN {statement.text}", statement.parameters
    )
    return " ".join(step.detail for step in steps)
