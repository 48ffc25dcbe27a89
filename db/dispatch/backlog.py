"""What waits to be handed over, over all messages: for readiness, and for a runner that begins.

What is to be done now is `db.dispatch.due`'s.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.dispatch.changes import CANCELED
from db.sql.clock import clock
from db.tables.log import CLAIMED, DELIVERY, DISTRICT, MESSAGE, TALLY, TO_BEGIN, UNDER_WAY
from domain.status import DeliveryMode, DeliveryStatus


async def waiting_modes(connection: AsyncConnection) -> Sequence[tuple[str, DeliveryMode]]:
    """The modes of which something is still to be handed over, now or at its time, with the external ids of the districts."""
    # From an alias: the conditions of the indexes are spelled without a table's name.
    open_ = (
        select(MESSAGE.c.id, MESSAGE.c.district_id)
        .where(or_(TO_BEGIN, UNDER_WAY), MESSAGE.c.status.not_in(sorted(CANCELED)))
        .subquery("open")
    )
    statement = (
        select(DISTRICT.c.external_id, TALLY.c.mode)
        .distinct()
        .join(open_, open_.c.district_id == DISTRICT.c.id)
        .join(TALLY, TALLY.c.message_id == open_.c.id)
        .where(
            TALLY.c.status == DeliveryStatus.PENDING, ~TALLY.c.is_duplicate, TALLY.c.deliveries > 0
        )
        .order_by(DISTRICT.c.external_id, TALLY.c.mode)
    )
    return [(row.external_id, row.mode) for row in await connection.execute(statement)]


async def end_leases(connection: AsyncConnection) -> None:
    """End every lease now: for whoever knows that all who had claimed something are gone."""
    await connection.execute(update(DELIVERY).where(CLAIMED).values(lease_until=clock(connection)))


async def has_workers(connection: AsyncConnection, *, within: timedelta) -> bool:
    """Whether a worker has shown within this time that it lives. PostgreSQL only: the table is procrastinate's."""
    statement = text(
        "SELECT EXISTS (SELECT FROM procrastinate_workers WHERE last_heartbeat > now() - CAST(:within AS interval))"
    )
    return bool(await connection.scalar(statement, {"within": within}))
