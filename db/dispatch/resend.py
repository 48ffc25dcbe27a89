"""The failed deliveries of a message, to be sent again."""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import and_, literal, select, tuple_

from db.connect.single_statement import Source, rows_of
from db.dispatch.in_flight import COLUMNS, LiveDelivery
from db.log.deliveries import DeliveryKey
from db.sql.connections import ReadConnection
from db.sql.key_lists import any_of_parameter, is_there
from db.tables.log import ADDRESS, DELIVERY, MESSAGE
from domain.status import DeliveryMode, DeliveryStatus

_MAY_BE_RESENT: Final = and_(
    DELIVERY.c.status == DeliveryStatus.FAILED, ~DELIVERY.c.is_duplicate, ADDRESS.c.is_readable
)
_WITH_FAILED: Final = select(MESSAGE.c.id).where(
    any_of_parameter(MESSAGE.c.id, "ids"),
    is_there(
        select(literal(1))
        .select_from(DELIVERY.join(ADDRESS, ADDRESS.c.id == DELIVERY.c.address_id))
        .where(DELIVERY.c.message_id == MESSAGE.c.id, _MAY_BE_RESENT)
    ),
)


async def with_failed(source: Source, message_ids: Sequence[int]) -> set[int]:
    """Return those of these messages of which at least one delivery is returned by `failed`."""
    return {id for (id,) in await rows_of(source, _WITH_FAILED, {"ids": message_ids})}


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
        DELIVERY.c.mode.in_(sorted(modes)),
        _MAY_BE_RESENT,
    )
    if after is not None:
        statement = statement.where(tuple_(*place) > (after.recipient_number, after.number))
    rows = await connection.execute(statement.order_by(*place).limit(most))
    return [LiveDelivery(*row) for row in rows]
