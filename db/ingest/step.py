"""One step from the staging tables into the log. `db.ingest.steps` has the list of steps."""

from typing import Final, NamedTuple

from sqlalchemy import Table

MANY: Final = 5_000
"""The number of new recipients from which the table is analyzed.

PostgreSQL looks up the recipient of each inserted delivery. Without statistics it expects a new message to have few, and
scans all recipients of the message for each delivery.
"""


class Move(NamedTuple):
    """A statement, and the table that PostgreSQL analyzes after it, if it inserted at least `counted_from` rows."""

    statement: str
    fills: Table | None = None
    counted_from: int = 0
