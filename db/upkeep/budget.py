"""How much each viewer may still ask for, of all processes together: one row a viewer, on the database's clock.

A leaky bucket, kept as the moment at which it will be empty. What is counted, and how much there is, is not said here.
"""

from datetime import timedelta

from sqlalchemy import case, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from db.sql.clock import clock, later
from db.sql.upsert import insert_into
from db.tables.operations import BUDGET


async def draw(
    connection: AsyncConnection, viewer: str, *, cost: int, capacity: int, per_second: float
) -> int | None:
    """Take `cost` out of what a viewer may ask for: how much is left. None, and nothing is taken, where it is too much.

    `cost` is at most `capacity`, and leaks away at `per_second`.
    """
    width, whole = timedelta(seconds=cost / per_second), timedelta(seconds=capacity / per_second)
    now, alone = clock(connection), clock(connection, after=width)
    insertion = insert_into(connection, BUDGET).values(viewer=viewer, empty_at=alone)
    statement = insertion.on_conflict_do_update(
        index_elements=[BUDGET.c.viewer],
        set_={
            "empty_at": case(
                (BUDGET.c.empty_at > now, later(connection, BUDGET.c.empty_at, width)), else_=alone
            )
        },
        where=BUDGET.c.empty_at <= clock(connection, after=whole - width),
    ).returning(BUDGET.c.empty_at, clock(connection))
    row = (await connection.execute(statement)).first()
    if row is None:
        return None
    until: timedelta = row[0] - row[1]
    taken = until.total_seconds() * per_second
    return max(0, min(capacity - cost, round(capacity - taken)))


async def forget_full(connection: AsyncConnection) -> int:
    """Delete the buckets out of which nothing is taken any more, and how many those were: they are as good as new ones.

    Outside of a request: whoever asks does not pay for those who have gone.
    """
    gone = delete(BUDGET).where(BUDGET.c.empty_at <= clock(connection))
    return (await connection.execute(gone)).rowcount
