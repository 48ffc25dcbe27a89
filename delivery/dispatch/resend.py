"""Resend the failed deliveries of a message, and no others.

Each failure allows one resend. Under the message's lock the delivery becomes pending, so a second request finds no failure.
It also gets a new name at the provider (`delivery.dispatch.delivery_names`); otherwise the provider could take it for a repeat.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Final

from db.dispatch import changes, in_flight
from db.dispatch.changes import Change
from db.dispatch.in_flight import LiveDelivery
from db.dispatch.resend import failed
from db.log.deliveries import DeliveryKey
from db.sql.connections import WriteConnection
from delivery.dispatch.runtime import Runtime
from domain.resend import resend_refusal
from domain.status import DeliveryMode, DeliveryStatus, EventSource

PAGE: Final = 500
"""Deliveries that one transaction makes pending: while it runs, all other work on the message waits."""


async def resend(
    runtime: Runtime,
    message_id: int,
    *,
    modes: Collection[DeliveryMode],
    announce: Callable[[WriteConnection], Awaitable[None]],
) -> int:
    """Make the failed deliveries of these modes pending again. Return how many. Each is visited once.

    A delivery that fails again meanwhile is a new failure, for the next request. `announce` is called in each transaction
    that makes work.
    """
    after: DeliveryKey | None = None
    resent = 0
    while True:
        now = runtime.clock()
        async with runtime.database.writing() as connection:
            message = await in_flight.lock(connection, message_id)
            if message is None or resend_refusal(message.status, is_recorded=message.is_recorded):
                return resent
            page = await failed(connection, message_id, modes=modes, after=after, most=PAGE)
            if not page:
                return resent
            # The provider's time limit starts again at the next hand-over. Otherwise an old message would be an ERROR at once.
            await changes.write(
                connection, message._replace(overdue_at=None), _pending(page, now=now), now=now
            )
            await announce(connection)
        resent += len(page)
        after = page[-1].key


def _pending(deliveries: Sequence[LiveDelivery], *, now: datetime) -> list[Change]:
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
                failure=None,
            ),
            EventSource.DISPATCH,
            now,
            "to be sent again, on demand",
        )
        for delivery in deliveries
    ]
