"""How fast a provider may be used, for all processes together: one row a provider, on the database's clock (GCRA).

The row holds when the next hand-over may leave. What counts as a hand-over, and what is done meanwhile, is not said here.
"""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import case, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.sql.clock import clock, later
from db.sql.upsert import insert_into
from db.tables.operations import PACE

_MILLISECOND = timedelta(milliseconds=1)


async def reserve(
    connection: AsyncConnection,
    gateway: str,
    *,
    handovers: int,
    per_second: float,
    longest: timedelta,
) -> timedelta | None:
    """Reserve the next `handovers` places at a provider, and how long to wait before they may be used.

    None, and nothing is reserved, where the wait would be longer than `longest`. Nobody saves up places while idle.
    """
    width = _width(connection, handovers / per_second)
    now, free = clock(connection), clock(connection, after=width)
    insertion = insert_into(connection, PACE).values(gateway=gateway, free_at=free)
    statement = insertion.on_conflict_do_update(
        index_elements=[PACE.c.gateway],
        set_={
            "free_at": case(
                (PACE.c.free_at > now, later(connection, PACE.c.free_at, width)), else_=free
            )
        },
        where=PACE.c.free_at <= clock(connection, after=longest),
    ).returning(PACE.c.free_at, clock(connection))
    row = (await connection.execute(statement)).first()
    return None if row is None else max(row[0] - width - row[1], timedelta())


async def hold(connection: AsyncConnection, gateway: str, *, pause: timedelta) -> None:
    """Let nobody use a provider for `pause` from now: it took nothing of what it was given."""
    until = clock(connection, after=pause)
    await connection.execute(
        insert_into(connection, PACE)
        .values(gateway=gateway, free_at=until)
        .on_conflict_do_update(
            index_elements=[PACE.c.gateway],
            set_={"free_at": until},
            where=PACE.c.free_at < until,
        )
    )


async def waits(connection: AsyncConnection) -> Mapping[str, timedelta]:
    """How long each provider that cannot be used at once cannot: held, or its places given away."""
    now = clock(connection)
    taken = select(PACE.c.gateway, PACE.c.free_at, now).where(PACE.c.free_at > now)
    return {name: free_at - told_at for name, free_at, told_at in await connection.execute(taken)}


def _width(connection: AsyncConnection, seconds: float) -> timedelta:
    """How long the places take. SQLite's clock knows milliseconds: rounding down there would lift the limit."""
    width = timedelta(seconds=seconds)
    if connection.dialect.name == "sqlite":
        return -(-width // _MILLISECOND) * _MILLISECOND
    return width
