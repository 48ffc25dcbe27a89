"""What failed of a message, for whoever sends it again."""

from collections.abc import Collection, Sequence

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from db.dispatch.in_flight import COLUMNS, LiveDelivery
from db.log.deliveries import DeliveryKey
from db.tables.log import ADDRESS, DELIVERY
from domain.status import DeliveryMode, DeliveryStatus


async def failed(
    connection: AsyncConnection,
    message_id: int,
    *,
    modes: Collection[DeliveryMode],
    after: DeliveryKey | None,
    most: int,
) -> Sequence[LiveDelivery]:
    """The first failed deliveries of a message behind `after`, by their keys; no duplicates: they go with the first of theirs.

    None whose address cannot be read: it would fail again.
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
