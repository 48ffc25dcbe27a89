"""Deliveries in progress whose provider is to be asked about them, since it reported and did not say all."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.log.deliveries import DeliveryKey
from db.tables.log import DELIVERY, TO_POLL

_KEY: Final = (DELIVERY.c.message_id, DELIVERY.c.recipient_number, DELIVERY.c.number)


async def due(connection: AsyncConnection, *, now: datetime, most: int) -> Sequence[DeliveryKey]:
    """The deliveries that are due, in the order of their keys: of more than `most`, those that have been due for longest.

    Read without a lock: whoever acts on it looks again under the message's.
    """
    statement = (
        select(*_KEY).where(TO_POLL, DELIVERY.c.due_at <= now).order_by(DELIVERY.c.due_at)
    ).limit(most)
    return sorted(DeliveryKey(*row) for row in await connection.execute(statement))
