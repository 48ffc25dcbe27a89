"""Cancels a message with one row, which every hand-over checks under the same lock.

Jobs of `delivery.dispatch.due_work` mark the rows of the deliveries afterwards.
"""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, insert, select

from db.connect.blockers import ending_blockers
from db.connect.database import Database
from db.dispatch import changes, in_flight
from db.sql.connections import ReadConnection, WriteConnection
from db.tables.log import CANCELLATION, TALLY
from domain.cancel import may_cancel
from domain.status import MessageStatus


class CanceledMessage(NamedTuple):
    """The message is canceled, as its cancellation row says; `is_new`: by this call."""

    is_new: bool


class NotCancelable(NamedTuple):
    """Nothing was changed, because a message with this status cannot be canceled."""

    status: MessageStatus


async def cancel(
    connection: WriteConnection,
    message_id: int,
    *,
    database: Database,
    by_id: str | None,
    by_name: str | None,
    reason: str | None,
    now: datetime,
) -> CanceledMessage | NotCancelable | None:
    """Cancel a message for good; return None if it does not exist. Call it in a `Database.writing` transaction.

    After the commit, no delivery is handed to a provider unless it was claimed before. `by_id` and `by_name` are None for
    the system itself. A second call changes nothing. The counters show the stopped deliveries at once; a worker marks
    their rows later.

    If a suspended process holds the message's lock, its session is ended.
    """
    async with ending_blockers(connection, database):
        message = await in_flight.lock(connection, message_id, though_purged=True)
    if message is None:
        return None
    if message.status in changes.CANCELED:
        return CanceledMessage(is_new=False)
    if not may_cancel(message.status):
        return NotCancelable(message.status)
    has_left = await _has_left(connection, message_id)
    await connection.execute(
        insert(CANCELLATION).values(
            message_id=message_id,
            requested_at=now,
            requested_by_id=by_id,
            requested_by_name=by_name,
            reason=reason,
            stopped=0,  # `settle` sets both in this transaction
            already_sent=0,
        )
    )
    await changes.settle(
        connection,
        message,
        now=now,
        status=MessageStatus.CANCELED_IN_PROGRESS if has_left else MessageStatus.CANCELED,
    )
    return CanceledMessage(is_new=True)


async def _has_left(connection: ReadConnection, message_id: int) -> bool:
    """Return whether any delivery of a message was handed over, according to its tallies."""
    handed_over: Any = select(func.sum(TALLY.c.deliveries)).where(
        TALLY.c.message_id == message_id,
        ~TALLY.c.is_duplicate,
        TALLY.c.status.in_(sorted(changes.HANDED_OVER)),
    )
    count = await connection.scalar(handed_over) or 0
    return bool(count) and count > await changes.never_sent(connection, message_id)
