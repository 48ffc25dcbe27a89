"""The pending deliveries of messages that wait for their next attempt."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, func, select

from db.connect.single_statement import Source, rows_of
from db.sql.column_types import Instant
from db.sql.key_lists import any_of_parameter
from db.tables.log import DELIVERY, OPEN_DELIVERY
from domain.status import DeliveryMode, DeliveryStatus
from domain.waits import Retries

_RETRIES: Final = (
    select(
        DELIVERY.c.message_id,
        DELIVERY.c.mode,
        func.count(),
        func.min(DELIVERY.c.due_at).label("at"),
    )
    .where(
        any_of_parameter(DELIVERY.c.message_id, "ids"),
        OPEN_DELIVERY,  # the condition of the index
        DELIVERY.c.status == DeliveryStatus.PENDING,
        ~DELIVERY.c.is_duplicate,
        DELIVERY.c.due_at > bindparam("now", type_=Instant()),
    )
    .group_by(DELIVERY.c.message_id, DELIVERY.c.mode)
)


async def retries(
    source: Source, message_ids: Sequence[int], *, now: datetime
) -> Mapping[tuple[int, DeliveryMode], Retries]:
    """Return, by message and mode, the pending deliveries that are due after `now`; a pair without any is left out."""
    rows = await rows_of(source, _RETRIES, {"ids": message_ids, "now": now})
    return {(message_id, mode): Retries(*found) for message_id, mode, *found in rows}
