"""One step of the way from the stage into the log. Which there are is in `db.ingest.steps`."""

from typing import Final, NamedTuple

from sqlalchemy import Table

MANY: Final = 5_000
"""New recipients. Behind each of their deliveries PostgreSQL looks one up by message and number, and of a message that it has
not counted it believes that it has few: it then reads the whole message by name to find one, each time.
"""


class Move(NamedTuple):
    """One step: a statement, and the table that it fills, if PostgreSQL is to count that from so many new rows on."""

    statement: str
    fills: Table | None = None
    counted_from: int = 0
