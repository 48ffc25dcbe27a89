"""Deliveries in progress whose provider must be polled, because its last report was incomplete."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select

from db.log.deliveries import DeliveryKey
from db.sql.connections import ReadConnection
from db.tables.conditions import TO_POLL
from db.tables.log import DELIVERY

_KEY: Final = (DELIVERY.c.message_id, DELIVERY.c.recipient_number, DELIVERY.c.number)


async def due(connection: ReadConnection, *, now: datetime, most: int) -> Sequence[DeliveryKey]:
    """Return the deliveries due for a poll, at most `most`, the longest due ones, in the order of their keys.

    Read without a lock; the caller checks again under the message's lock.
    """
    statement = (
        select(*_KEY).where(TO_POLL, DELIVERY.c.due_at <= now).order_by(DELIVERY.c.due_at)
    ).limit(most)
    return sorted(DeliveryKey(*row) for row in await connection.execute(statement))
