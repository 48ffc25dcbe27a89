"""Stops a message, by one row: whoever would hand something over looks at it under the same lock.

The rows of the deliveries are not touched here, however many they are: jobs of `delivery.dispatch.due_work` mark them afterwards.
Who may cancel, and what the answer looks like, is the resolver's.
"""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect.blockers import ending_blockers
from db.dispatch import changes, in_flight
from db.tables.log import CANCELLATION, TALLY
from domain.cancel import may_cancel
from domain.status import MessageStatus


class Canceled(NamedTuple):
    """The message is canceled, and by whom is in its cancellation row; `is_new`: this call did it."""

    is_new: bool


class NotCancelable(NamedTuple):
    """Nothing was changed: a message at this status cannot be canceled any more."""

    status: MessageStatus


async def cancel(
    connection: AsyncConnection,
    message_id: int,
    *,
    by_id: str | None,
    by_name: str | None,
    reason: str | None,
    now: datetime,
) -> Canceled | NotCancelable | None:
    """Cancel a message for good; None where there is none with this id. Call it in a `db.connect.engine.writing` transaction.

    Once that has committed, nothing that was not claimed before is handed to a provider. `by_id` and `by_name` are None
    for the system itself. Asking again changes nothing: the first cancellation stands. The deliveries that the
    cancellation stopped count as stopped at once; their rows are marked by whoever works, at the next sweep.

    It does not wait for a process that was suspended with the message's lock: the session of that process is ended.
    """
    async with ending_blockers(connection):
        message = await in_flight.lock(connection, message_id, though_purged=True)
    if message is None:
        return None
    if message.status in changes.CANCELED:
        return Canceled(is_new=False)
    if not may_cancel(message.status):
        return NotCancelable(message.status)
    begun = await _has_left(connection, message_id)
    await connection.execute(
        insert(CANCELLATION).values(
            message_id=message_id,
            requested_at=now,
            requested_by_id=by_id,
            requested_by_name=by_name,
            reason=reason,
            stopped=0,  # `settle` counts both in this transaction
            already_sent=0,
        )
    )
    await changes.settle(
        connection,
        message,
        now=now,
        status=MessageStatus.CANCELED_IN_PROGRESS if begun else MessageStatus.CANCELED,
    )
    return Canceled(is_new=True)


async def _has_left(connection: AsyncConnection, message_id: int) -> bool:
    """Whether anything of a message was handed over, as its tallies tell."""
    left: Any = select(func.sum(TALLY.c.deliveries)).where(
        TALLY.c.message_id == message_id,
        ~TALLY.c.is_duplicate,
        TALLY.c.status.in_(sorted(changes.HANDED_OVER)),
    )
    count = await connection.scalar(left) or 0
    return bool(count) and count > await changes.never_sent(connection, message_id)
