"""The first hand-over and the last outcome of each mode of a message, updated when deliveries change.

The first hand-over never changes. The last outcome is the latest of the rows, in whatever order they were reported.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import case, func, or_, select, update

from db.dispatch.in_flight import LiveDelivery
from db.sql.connections import WriteConnection
from db.sql.upsert import insert_into
from db.tables.log import DELIVERY, SPAN
from domain.status import DeliveryMode, DeliveryStatus

SETTLED: Final = frozenset({DeliveryStatus.SENT, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED})
"""The statuses of a delivery that has left and has its outcome."""


async def update_spans(
    connection: WriteConnection,
    message_id: int,
    moves: Sequence[tuple[LiveDelivery, LiveDelivery]],
) -> None:
    """Update the spans of a locked message for deliveries that changed, each before and after."""
    spans: dict[DeliveryMode, tuple[list[datetime], list[datetime]]] = {}
    taken_back: dict[DeliveryMode, datetime] = {}
    for before, after in moves:
        mode, ended, had_ended = after.mode, _ended_at(after), _ended_at(before)
        starts, ends = spans.setdefault(mode, ([], []))
        if before.first_at is None and after.first_at is not None:
            starts.append(after.first_at)
        if ended is not None and ended != had_ended:
            ends.append(ended)
        # A delivery that is sent again on demand will have a later outcome.
        is_earlier = ended is None or (had_ended is not None and ended < had_ended)
        if had_ended is not None and is_earlier and after.status is not DeliveryStatus.PENDING:
            taken_back[mode] = max(had_ended, taken_back.get(mode, had_ended))
    rows = [
        {
            "message_id": message_id,
            "mode": mode,
            "started_at": min(starts, default=None),
            "ended_at": max(ends, default=None),
        }
        for mode, (starts, ends) in spans.items()
        if starts or ends
    ]
    if rows:
        await _widen(connection, rows)
    for mode, end in taken_back.items():
        await _recount_end(connection, message_id, mode, was=end)


def _ended_at(delivery: LiveDelivery) -> datetime | None:
    # A failure without an attempt is not the outcome of a hand-over.
    if delivery.status is DeliveryStatus.FAILED and not delivery.attempts:
        return None
    return delivery.at if delivery.status in SETTLED else None


async def _widen(connection: WriteConnection, rows: Iterable[dict[str, Any]]) -> None:
    new = insert_into(connection, SPAN)
    began, ended = new.excluded.started_at, new.excluded.ended_at
    statement = new.on_conflict_do_update(
        index_elements=list(SPAN.primary_key.columns),
        set_={
            "started_at": case(
                (SPAN.c.started_at.is_(None), began),
                (began < SPAN.c.started_at, began),
                else_=SPAN.c.started_at,
            ),
            "ended_at": case(
                (SPAN.c.ended_at.is_(None), ended),
                (ended > SPAN.c.ended_at, ended),
                else_=SPAN.c.ended_at,
            ),
        },
    )
    for row in rows:
        await connection.execute(statement, row)


async def _recount_end(
    connection: WriteConnection, message_id: int, mode: DeliveryMode, *, was: datetime
) -> None:
    """Set the end of a mode from its rows, if the outcome at `was` may have been the last.

    Reads all deliveries of the message. It is rare: a provider has to withdraw or backdate the last outcome.
    """
    last = select(func.max(DELIVERY.c.at)).where(
        DELIVERY.c.message_id == message_id,
        DELIVERY.c.mode == mode,
        ~DELIVERY.c.is_duplicate,
        # The negation of `tables.log.NEVER_SENT`, which is text and cannot be negated.
        or_(DELIVERY.c.status != DeliveryStatus.FAILED, DELIVERY.c.attempts > 0),
        DELIVERY.c.status.in_(sorted(SETTLED)),
    )
    await connection.execute(
        update(SPAN)
        .where(SPAN.c.message_id == message_id, SPAN.c.mode == mode, SPAN.c.ended_at <= was)
        .values(ended_at=last.scalar_subquery())
    )
