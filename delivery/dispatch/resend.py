"""Sends again what failed of a message: to the addresses that failed, and to no other.

A failure is the right to one more sending. Taking it makes the delivery pending, under the message's lock, so that
whoever comes second finds nothing; and gives it a new name at the provider (`delivery.dispatch.delivery_names`), so that it is not taken
for a repetition of the first.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect.engine import writing
from db.dispatch import changes, in_flight
from db.dispatch.changes import Change
from db.dispatch.in_flight import LiveDelivery
from db.dispatch.resend import failed
from db.log.deliveries import DeliveryKey
from delivery.dispatch.runtime import Runtime
from domain.resend import why_not
from domain.status import DeliveryMode, DeliveryStatus, EventSource

PAGE: Final = 500
"""Deliveries that are made pending in one transaction: while it runs, the message's other work waits."""


async def resend(
    runtime: Runtime,
    message_id: int,
    *,
    modes: Collection[DeliveryMode],
    announce: Callable[[AsyncConnection], Awaitable[None]],
) -> int:
    """Make what failed of these modes pending again, and how many deliveries that were. Each is looked at once.

    What fails again while this goes on is a new failure, and is left to whoever asks next. `announce` is told of each
    transaction that makes work.
    """
    after: DeliveryKey | None = None
    resent = 0
    while True:
        now = runtime.clock()
        async with writing(runtime.engine) as connection:
            message = await in_flight.lock(connection, message_id)
            if message is None or why_not(message.status, is_recorded=message.is_recorded):
                return resent
            page = await failed(connection, message_id, modes=modes, after=after, most=PAGE)
            if not page:
                return resent
            # The providers' time begins anew with the next hand-over: else an old message would be an ERROR at once.
            await changes.write(
                connection, message._replace(overdue_at=None), _again(page, now=now), now=now
            )
            await announce(connection)
        resent += len(page)
        after = page[-1].key


def _again(deliveries: Sequence[LiveDelivery], *, now: datetime) -> list[Change]:
    return [
        Change(
            delivery,
            delivery._replace(
                status=DeliveryStatus.PENDING,
                call_status=None,
                confirmed=False,
                at=now,
                due_at=None,
                first_at=None,
                handed_at=None,
                reference=None,
                resends=delivery.resends + 1,
                copies=0,
            ),
            EventSource.DISPATCH,
            now,
            "to be sent again, on demand",
        )
        for delivery in deliveries
    ]
