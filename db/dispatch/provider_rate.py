"""The rate limit of a provider for all processes together: one row per provider, on the database's clock (GCRA).

The row has the time at which the next hand-over may leave. `delivery.dispatch.provider_rate` uses it.
"""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import select

from db.sql.clock import advance, clock
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.upsert import insert_into
from db.tables.operations import PACE

_MILLISECOND = timedelta(milliseconds=1)


async def reserve(
    connection: WriteConnection,
    gateway: str,
    *,
    handovers: int,
    per_second: float,
    longest: timedelta,
) -> timedelta | None:
    """Reserve the next `handovers` slots of a provider; return how long to wait before they may be used.

    Returns None and reserves nothing if the wait would exceed `longest`. Unused slots do not accumulate.
    """
    width = _width(connection, handovers / per_second)
    instants = await advance(connection, PACE.c.free_at, gateway, by=width, most=longest)
    return None if instants is None else max(instants[0] - width - instants[1], timedelta())


async def hold(connection: WriteConnection, gateway: str, *, pause: timedelta) -> None:
    """Block a provider for `pause` from now, because it accepted nothing of a batch."""
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


async def waits(connection: ReadConnection) -> Mapping[str, timedelta]:
    """Return the wait of each provider that cannot be used now: blocked, or its slots reserved."""
    now = clock(connection)
    statement = select(PACE.c.gateway, PACE.c.free_at, now).where(PACE.c.free_at > now)
    rows = await connection.execute(statement)
    return {name: free_at - read_at for name, free_at, read_at in rows}


def _width(connection: ReadConnection, seconds: float) -> timedelta:
    """Return the duration of the slots. Rounded up to SQLite's milliseconds: rounding down would exceed the limit."""
    width = timedelta(seconds=seconds)
    if connection.dialect.name == "sqlite":
        return -(-width // _MILLISECOND) * _MILLISECOND
    return width
