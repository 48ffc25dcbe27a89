"""Changes of deliveries, written with all that follows from them: duplicates, counters, people, and the message itself.

Everything happens in the caller's transaction, under the message's lock. What a change should be is decided in
`delivery` by the rules of `domain`.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import and_, bindparam, case, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from db.keys import any_of
from db.live import LiveDelivery, LiveMessage
from db.tables import CANCELLATION, DELIVERY, DELIVERY_EVENT, MESSAGE, RECIPIENT, SPAN, TALLY
from db.tallies import NO_CODE
from domain.call_status import SUCCESSES
from domain.counting import is_reached
from domain.status import (
    PHONE_MODES,
    DeliveryMode,
    DeliveryStatus,
    EventSource,
    MessageStatus,
    message_status,
    standing,
)


class Said(NamedTuple):
    """What somebody said of a delivery, whether or not it changed anything."""

    status: DeliveryStatus
    call_status: int | None


class Change(NamedTuple):
    """What a delivery was and is now, and why; `event` is when it happened, None where nothing of it is shown.

    The event shows what was `said`, or else what the delivery is now. Changes of one delivery follow one another.
    """

    before: LiveDelivery
    after: LiveDelivery
    source: EventSource
    event: datetime | None
    detail: str | None = None
    said: Said | None = None


_WRITTEN: Final = (
    "status",
    "call_status",
    "confirmed",
    "at",
    "attempts",
    "due_at",
    "first_at",
    "claim",
    "lease_until",
    "handed_at",
    "gateway",
    "reference",
)
_UPDATE: Final = (
    update(DELIVERY)
    .where(
        DELIVERY.c.message_id == bindparam("key_message"),
        DELIVERY.c.recipient_number == bindparam("key_recipient"),
        DELIVERY.c.number == bindparam("key_number"),
    )
    .values({name: bindparam(f"new_{name}", type_=DELIVERY.c[name].type) for name in _WRITTEN})
)
_SETTLED: Final = frozenset({DeliveryStatus.SENT, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED})
_PHONES: Final = DELIVERY.c.mode.in_(sorted(PHONE_MODES))


async def write(
    connection: AsyncConnection,
    message: LiveMessage,
    changes: Sequence[Change],
    *,
    now: datetime,
    overdue_at: datetime | None = None,
) -> LiveMessage:
    """Write `changes` of deliveries of one locked message, and give the message as it is then.

    `overdue_at` is the new time limit of the providers, where a call or a text was handed over.
    """
    if not changes:
        return message
    await connection.execute(_UPDATE, [_parameters(change.after) for change in changes])
    shown = [change for change in changes if _facts(change.before) != _facts(change.after)]
    copies = await _duplicates(connection, message.id, shown)
    if copies:
        await connection.execute(_UPDATE, [_parameters(copy.after) for copy in copies])
    await _add_events(connection, changes)
    moved = [*shown, *copies]
    if not moved and not any(change.event for change in changes):
        return message
    await _move_tallies(connection, message.id, moved)
    contacted = await _contact(connection, message.id, moved)
    await _stretch_spans(connection, message.id, shown)
    return await settle(connection, message, now=now, contacted=contacted, overdue_at=overdue_at)


async def settle(
    connection: AsyncConnection,
    message: LiveMessage,
    *,
    now: datetime,
    status: MessageStatus | None = None,
    contacted: int = 0,
    overdue_at: datetime | None = None,
) -> LiveMessage:
    """Bring a locked message in line with its tallies: status (or the one decided on), revision, and what is still open."""
    counts = (
        await connection.execute(
            select(TALLY.c.mode, TALLY.c.status, func.sum(TALLY.c.deliveries))
            .where(TALLY.c.message_id == message.id, ~TALLY.c.is_duplicate)
            .group_by(TALLY.c.mode, TALLY.c.status)
        )
    ).all()
    part = standing((row[1], row[2]) for row in counts)
    phones = standing((row[1], row[2]) for row in counts if row[0] in PHONE_MODES)
    limit = overdue_at or message.overdue_at
    is_overdue = limit is not None and limit <= now and phones.open > 0
    changed = message._replace(
        status=message_status(status or message.status, part, is_overdue=is_overdue),
        revision=message.revision + 1,
        overdue_at=limit,
        has_open=part.open > 0,
    )
    await connection.execute(
        update(MESSAGE)
        .where(MESSAGE.c.id == message.id)
        .values(
            status=changed.status,
            revision=changed.revision,
            overdue_at=limit,
            has_open=changed.has_open,
            people_contacted=MESSAGE.c.people_contacted + contacted,
        )
    )
    if changed.status in (MessageStatus.CANCELED, MessageStatus.CANCELED_IN_PROGRESS):
        await _count_cancellation(
            connection, message.id, counts=counts, now=now, is_complete=part.open == 0
        )
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_notify("sentlog", f"message.{message.id}")))
    return changed


async def _count_cancellation(
    connection: AsyncConnection,
    message_id: int,
    *,
    counts: Sequence[Any],
    now: datetime,
    is_complete: bool,
) -> None:
    stopped = sum(
        row[2] for row in counts if row[1] in (DeliveryStatus.CANCELED, DeliveryStatus.PENDING)
    )
    sent = sum(
        row[2] for row in counts if row[1] in _SETTLED or row[1] is DeliveryStatus.IN_PROGRESS
    )
    await connection.execute(
        update(CANCELLATION)
        .where(CANCELLATION.c.message_id == message_id)
        .values(
            stopped=stopped,
            already_sent=sent,
            completed_at=func.coalesce(CANCELLATION.c.completed_at, now) if is_complete else None,
        )
    )


def _parameters(delivery: LiveDelivery) -> dict[str, Any]:
    return {
        "key_message": delivery.message_id,
        "key_recipient": delivery.recipient_number,
        "key_number": delivery.number,
    } | {f"new_{name}": getattr(delivery, name) for name in _WRITTEN}


def _facts(delivery: LiveDelivery) -> tuple[DeliveryStatus, int | None, bool]:
    """What of a delivery is counted and shown."""
    return delivery.status, delivery.call_status, delivery.confirmed


async def _duplicates(
    connection: AsyncConnection, message_id: int, changes: Sequence[Change]
) -> Sequence[Change]:
    """The duplicates of what changed, as they change with it: one call was made, for all who share the number."""
    firsts = {(c.after.mode, c.after.address_id): c for c in changes if not c.after.is_duplicate}
    if not firsts:
        return []
    columns = [DELIVERY.c[field] for field in LiveDelivery._fields]
    rows = await connection.execute(
        select(*columns).where(
            DELIVERY.c.message_id == message_id,
            any_of(DELIVERY.c.address_id, sorted({address for _, address in firsts})),
            DELIVERY.c.is_duplicate,
        )
    )
    copies: list[Change] = []
    for row in rows:
        copy = LiveDelivery(*row)
        if (first := firsts.get((copy.mode, copy.address_id))) is not None:
            state = first.after
            after = copy._replace(
                status=state.status,
                call_status=state.call_status,
                confirmed=state.confirmed,
                at=state.at,
            )
            copies.append(Change(copy, after, first.source, None))
    return copies


async def _add_events(connection: AsyncConnection, changes: Sequence[Change]) -> None:
    rows = [
        {
            "message_id": change.after.message_id,
            "recipient_number": change.after.recipient_number,
            "delivery_number": change.after.number,
            "at": change.event,
            "status": (change.said or change.after).status,
            "call_status": (change.said or change.after).call_status,
            "source": change.source,
            "detail": change.detail,
        }
        for change in changes
        if change.event is not None
    ]
    if rows:
        await connection.execute(insert(DELIVERY_EVENT), rows)


async def _move_tallies(
    connection: AsyncConnection, message_id: int, changes: Sequence[Change]
) -> None:
    moves: Counter[tuple[DeliveryMode, DeliveryStatus, int, bool]] = Counter()
    for change in changes:
        for delivery, step in ((change.before, -1), (change.after, 1)):
            code = NO_CODE if delivery.call_status is None else delivery.call_status
            moves[delivery.mode, delivery.status, code, delivery.is_duplicate] += step
    rows = [
        {
            "message_id": message_id,
            "mode": mode,
            "status": status,
            "call_status": code,
            "is_duplicate": is_duplicate,
            "deliveries": step,
        }
        for (mode, status, code, is_duplicate), step in moves.items()
        if step
    ]
    if rows:
        new = _insert(connection, TALLY)
        statement = new.on_conflict_do_update(
            index_elements=list(TALLY.primary_key.columns),
            set_={"deliveries": TALLY.c.deliveries + new.excluded.deliveries},
        )
        await connection.execute(statement, rows)


async def _contact(connection: AsyncConnection, message_id: int, changes: Sequence[Change]) -> int:
    """Mark who is, or is no longer, contacted by phone through what changed; by how many people more, or fewer."""
    addresses = sorted(
        {
            change.after.address_id
            for change in changes
            if _is_reached(change.before) != _is_reached(change.after)
        }
    )
    if not addresses:
        return 0
    of_recipient = and_(
        DELIVERY.c.message_id == RECIPIENT.c.message_id,
        DELIVERY.c.recipient_number == RECIPIENT.c.number,
    )
    sharing = (
        select(RECIPIENT.c.person_id, RECIPIENT.c.contacted)
        .distinct()
        .join(DELIVERY, of_recipient)
        .where(
            DELIVERY.c.message_id == message_id, any_of(DELIVERY.c.address_id, addresses), _PHONES
        )
    )
    flags = {row.person_id: row.contacted for row in await connection.execute(sharing)}
    hit = DELIVERY.alias("hit")
    reached_number = exists().where(
        hit.c.message_id == message_id,
        hit.c.address_id == DELIVERY.c.address_id,
        hit.c.mode.in_(sorted(PHONE_MODES)),
        or_(hit.c.confirmed, hit.c.call_status.in_(sorted(SUCCESSES))),
    )
    reached = set(
        await connection.scalars(
            select(RECIPIENT.c.person_id)
            .distinct()
            .join(DELIVERY, of_recipient)
            .where(
                RECIPIENT.c.message_id == message_id,
                any_of(RECIPIENT.c.person_id, sorted(flags)),
                _PHONES,
                reached_number,
            )
        )
    )
    for people, contacted in (
        (sorted(person for person, flag in flags.items() if not flag and person in reached), True),
        (sorted(person for person, flag in flags.items() if flag and person not in reached), False),
    ):
        if people:
            await connection.execute(
                update(RECIPIENT)
                .where(RECIPIENT.c.message_id == message_id, any_of(RECIPIENT.c.person_id, people))
                .values(contacted=contacted)
            )
    return len(reached) - sum(1 for flag in flags.values() if flag)


def _is_reached(delivery: LiveDelivery) -> bool:
    return delivery.mode in PHONE_MODES and is_reached(delivery.call_status, delivery.confirmed)


async def _stretch_spans(
    connection: AsyncConnection, message_id: int, changes: Sequence[Change]
) -> None:
    """Widen the spans of the modes of which something was handed over or came to an outcome."""
    spans: dict[DeliveryMode, tuple[datetime, datetime | None]] = {}
    for change in changes:
        after = change.after
        began = after.handed_at or after.at
        if began is None or (
            after.status not in _SETTLED and after.status is not DeliveryStatus.IN_PROGRESS
        ):
            continue
        ended = after.at if after.status in _SETTLED else None
        first, last = spans.get(after.mode, (began, None))
        spans[after.mode] = (
            min(first, began),
            max((t for t in (last, ended) if t is not None), default=None),
        )
    if not spans:
        return
    new = _insert(connection, SPAN)
    earlier = case(
        (SPAN.c.started_at <= new.excluded.started_at, SPAN.c.started_at),
        else_=new.excluded.started_at,
    )
    later = case(
        (SPAN.c.ended_at.is_(None), new.excluded.ended_at),
        (new.excluded.ended_at.is_(None), SPAN.c.ended_at),
        (SPAN.c.ended_at >= new.excluded.ended_at, SPAN.c.ended_at),
        else_=new.excluded.ended_at,
    )
    statement = new.on_conflict_do_update(
        index_elements=list(SPAN.primary_key.columns),
        set_={"started_at": earlier, "ended_at": later},
    )
    rows = [
        {"message_id": message_id, "mode": mode, "started_at": first, "ended_at": last}
        for mode, (first, last) in spans.items()
    ]
    await connection.execute(statement, rows)


def _insert(connection: AsyncConnection, table: Any) -> Any:
    """An INSERT that can say what to do where the key is there: both engines spell it alike, SQLAlchemy does not."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
