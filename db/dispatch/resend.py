"""The failed deliveries of a message, to be sent again."""

from collections.abc import Collection, Sequence

from sqlalchemy import select, tuple_

from db.dispatch.in_flight import COLUMNS, LiveDelivery
from db.log.deliveries import DeliveryKey
from db.sql.connections import ReadConnection
from db.tables.log import ADDRESS, DELIVERY
from domain.status import DeliveryMode, DeliveryStatus


async def failed(
    connection: ReadConnection,
    message_id: int,
    *,
    modes: Collection[DeliveryMode],
    after: DeliveryKey | None,
    most: int,
) -> Sequence[LiveDelivery]:
    """Return the next failed deliveries of a message after the key `after`, without duplicates, which follow their first.

    Deliveries to unreadable addresses are left out, because they would fail again.
    """
    place = (DELIVERY.c.recipient_number, DELIVERY.c.number)
    deliveries = select(*COLUMNS).join(ADDRESS, ADDRESS.c.id == DELIVERY.c.address_id)
    statement = deliveries.where(
        DELIVERY.c.message_id == message_id,
        DELIVERY.c.status == DeliveryStatus.FAILED,
        DELIVERY.c.mode.in_(sorted(modes)),
        ~DELIVERY.c.is_duplicate,
        ADDRESS.c.is_readable,
    )
    if after is not None:
        statement = statement.where(tuple_(*place) > (after.recipient_number, after.number))
    rows = await connection.execute(statement.order_by(*place).limit(most))
    return [LiveDelivery(*row) for row in rows]
