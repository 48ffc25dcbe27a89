"""Opt-outs from texts that providers report with an outcome, recorded so that later texts fail without a request.

`delivery.receipts.receipts` handles STOP and START texts from a person.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy import select

from db.dispatch import in_flight
from db.dispatch.in_flight import LiveDelivery
from db.sql.connections import WriteConnection
from db.sql.key_lists import any_of
from db.tables.log import ADDRESS
from domain.call_status import OPTED_OUT
from domain.status import DeliveryMode

BELIEVED_FOR: Final = timedelta(hours=1)
"""The greatest age of a report. With an older one, the person may have texted START since; the next text shows it."""


class Moved(Protocol):
    """A delivery before and after a change."""

    @property
    def before(self) -> LiveDelivery: ...
    @property
    def after(self) -> LiveDelivery: ...


async def remember(
    connection: WriteConnection, moves: Sequence[Moved], *, now: datetime
) -> Sequence[int]:
    """Record the numbers that opted out of texts according to these changes, in every district, as STOP does.

    Return the addresses that opted out.
    """
    address_ids = sorted({move.after.address_id for move in moves if _is_news(move, now)})
    if not address_ids:
        return ()
    numbers = await connection.scalars(
        select(ADDRESS.c.key)
        .where(any_of(ADDRESS.c.id, address_ids), ADDRESS.c.opted_out_at.is_(None))
        # In one order everywhere, so that two transactions with the same numbers cannot deadlock.
        .order_by(ADDRESS.c.key)
    )
    opted: list[int] = []
    for number in numbers.all():
        opted += await in_flight.set_opted_out(connection, number, now)
    return opted


def _is_news(move: Moved, now: datetime) -> bool:
    after = move.after
    return (
        after.mode is DeliveryMode.TEXT
        and after.call_status == OPTED_OUT != move.before.call_status
        and after.at is not None
        and now - after.at <= BELIEVED_FOR
    )
