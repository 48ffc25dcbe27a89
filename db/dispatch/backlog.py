"""The backlog of all messages, for the readiness check and the start of a runner. `db.dispatch.due` finds the work due now."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import or_, select, text, update

from db.dispatch.changes import CANCELED
from db.sql.clock import clock
from db.sql.connections import ReadConnection, WriteConnection
from db.tables.conditions import CLAIMED, TO_BEGIN, UNDER_WAY
from db.tables.log import DELIVERY, DISTRICT, MESSAGE, TALLY
from domain.status import DeliveryMode, DeliveryStatus


async def waiting_modes(connection: ReadConnection) -> Sequence[tuple[str, DeliveryMode]]:
    """Return the (district, mode) pairs with deliveries to hand over, now or later; districts by external id."""
    # From an alias, because the conditions of the indexes have no table name.
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


async def end_leases(connection: WriteConnection) -> None:
    """End every lease now. Only for a caller that is the only process working on deliveries."""
    await connection.execute(update(DELIVERY).where(CLAIMED).values(lease_until=clock(connection)))


async def has_workers(connection: ReadConnection, *, within: timedelta) -> bool:
    """Return whether a worker had a heartbeat within this time. PostgreSQL only: the table belongs to procrastinate."""
    statement = text(
        "SELECT EXISTS (SELECT FROM procrastinate_workers WHERE last_heartbeat > now() - CAST(:within AS interval))"
    )
    return bool(await connection.scalar(statement, {"within": within}))
