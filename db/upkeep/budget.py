"""The rate budget of each viewer, shared by all processes: one row per viewer, on the database's clock.

A leaky bucket, stored as the instant at which it is empty. `server.graphql.rate_budget` sets costs and capacity.
"""

from datetime import timedelta

from sqlalchemy import delete

from db.sql.clock import advance, clock
from db.sql.connections import WriteConnection
from db.tables.operations import BUDGET


async def draw(
    connection: WriteConnection, viewer: str, *, cost: int, capacity: int, per_second: float
) -> int | None:
    """Take `cost` from a viewer's budget and return the rest; return None and take nothing if the rest is too small.

    `cost` is at most `capacity`; the bucket leaks at `per_second`.
    """
    width, whole = timedelta(seconds=cost / per_second), timedelta(seconds=capacity / per_second)
    instants = await advance(connection, BUDGET.c.empty_at, viewer, by=width, most=whole - width)
    if instants is None:
        return None
    taken = (instants[0] - instants[1]).total_seconds() * per_second
    return max(0, min(capacity - cost, round(capacity - taken)))


async def forget_full(connection: WriteConnection) -> int:
    """Delete the rows of viewers with a full budget and return how many. A background task calls it, not a request."""
    statement = delete(BUDGET).where(BUDGET.c.empty_at <= clock(connection))
    return (await connection.execute(statement)).rowcount
