"""How fast a provider may be used, for all processes together: one row a provider, on the database's clock (GCRA)."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import case, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from db.columns import Instant
from db.live import clock
from db.tables import PACE

NO_WAIT: Final = timedelta()


async def reserve(
    connection: AsyncConnection, gateway: str, *, handovers: int, per_second: float
) -> timedelta:
    """Reserve the next `handovers` places at a provider, and how long to wait before they may be used.

    The row holds when the next place is free. Whoever reserves moves it on; nobody saves up places while idle.
    """
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    width = timedelta(seconds=handovers / per_second)
    now = clock(connection)
    free = clock(connection, after=width)
    statement = dialect.insert(PACE).values(gateway=gateway, free_at=free)
    statement = statement.on_conflict_do_update(
        index_elements=[PACE.c.gateway],
        set_={
            "free_at": case(
                (PACE.c.free_at > now, later(connection, PACE.c.free_at, width)), else_=free
            )
        },
    ).returning(PACE.c.free_at, func.coalesce(now).label("now"))
    free_at, reserved_at = (await connection.execute(statement)).one()
    instant: datetime = reserved_at if isinstance(reserved_at, datetime) else _read(reserved_at)
    wait: timedelta = free_at - width - instant
    return max(wait, NO_WAIT)


def later(connection: AsyncConnection, instant: Any, by: timedelta) -> Any:
    """An instant in a column, moved on."""
    if connection.dialect.name == "sqlite":
        return func.strftime(
            "%Y-%m-%d %H:%M:%f000", instant, f"+{by.total_seconds():.3f} seconds", type_=Instant()
        )
    return instant + by


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")
