"""Records the statements that a piece of code sends, and reads their query plans.

with recorded(database) as statements:
    await page_of(…)
assert len(statements) == 1
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import orjson
from sqlalchemy import event

from db.connect.database import Database
from db.sql.connections import ReadConnection


class Statement(NamedTuple):
    """A statement as sent to the driver, with its parameters."""

    text: str
    parameters: Any


@contextmanager
def recorded(database: Database) -> Iterator[list[Statement]]:
    """Record the statements that `database` runs inside the block, in order."""
    statements: list[Statement] = []

    def note(
        connection: Any, cursor: Any, text: str, parameters: Any, context: Any, many: bool
    ) -> None:
        statements.append(Statement(text, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)


async def tables_read_whole(connection: ReadConnection, statement: Statement) -> Sequence[str]:
    """Return the tables that this statement scans according to its query plan, by their names or aliases in it."""
    if connection.dialect.name == "sqlite":
        plan = await connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {statement.text}", statement.parameters
        )
        steps = [row.detail.split() for row in plan]
        return sorted(
            step[1]
            for step in steps
            if step[0] == "SCAN" and "VIRTUAL" not in step and step[1] != "CONSTANT"
        )
    plan = await connection.exec_driver_sql(
        f"EXPLAIN (FORMAT JSON) {statement.text}", statement.parameters
    )
    text = plan.scalar_one()
    (root,) = orjson.loads(text) if isinstance(text, str) else text
    return sorted(_read_whole(root["Plan"]))


def _read_whole(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from _read_whole(child)
