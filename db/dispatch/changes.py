"""Writes changes of deliveries with everything that follows: duplicates, events, counters, people, and the message.

All in the caller's transaction, under the message's lock. `delivery` decides on the changes by the rules of `domain`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter, ne
from typing import Final, NamedTuple

from sqlalchemy import func, select, update

from db.connect.notices import notify_of_message
from db.derived.addresses import states
from db.derived.addresses.possible_changes import possible_changes
from db.derived.figures.message_figures import update_figures
from db.dispatch import contacted, mode_spans, opt_outs
from db.dispatch.in_flight import COLUMNS, LiveDelivery, LiveMessage
from db.log.counters import NO_CODE
from db.log.deliveries import EVENT
from db.sql.bulk_write import insert_rows, update_rows
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.key_lists import any_of
from db.tables.conditions import NEVER_SENT
from db.tables.log import CANCELLATION, DELIVERY, DELIVERY_EVENT, MESSAGE, TALLY
from domain.modes import PHONE_MODES
from domain.status import (
    DeliveryMode,
    DeliveryStatus,
    EventSource,
    MessageStatus,
    message_status,
    standing,
)


class ReportedStatus(NamedTuple):
    """The status of a delivery in a report, whether or not it changed the delivery."""

    status: DeliveryStatus
    call_status: int | None


class Change(NamedTuple):
    """A delivery before and after a change, and why; `event` is when it happened, None if no event is recorded.

    The event shows `reported`, or else the new state. Changes of one delivery are in sequence.
    """

    before: LiveDelivery
    after: LiveDelivery
    source: EventSource
    event: datetime | None
    detail: str | None = None
    reported: ReportedStatus | None = None


class Facts(NamedTuple):
    """The facts by which deliveries are counted."""

    mode: DeliveryMode
    status: DeliveryStatus
    call_status: int
    """`NO_CODE` if there is none."""
    is_duplicate: bool


CANCELED: Final = frozenset({MessageStatus.CANCELED, MessageStatus.CANCELED_IN_PROGRESS})

HANDED_OVER: Final = mode_spans.SETTLED | {DeliveryStatus.IN_PROGRESS}
"""The statuses of a delivery that has left, or may have left."""

_KEYS: Final = ("message_id", "recipient_number", "number")
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
    "resends",
    "copies",
    "failure",
    "complained_at",
)
_MIRRORED: Final = ("status", "call_status", "confirmed", "at", "failure")
_COUNT_UP: Final = (
    "ON CONFLICT (message_id, mode, status, call_status, is_duplicate) "
    "DO UPDATE SET deliveries = tally.deliveries + excluded.deliveries"
)


async def write(
    connection: WriteConnection,
    message: LiveMessage,
    changes: Sequence[Change],
    *,
    now: datetime,
    overdue_at: datetime | None = None,
) -> LiveMessage:
    """Write `changes` of deliveries of one locked message, and return the updated message.

    Its revision grows by one if a client can see any change. `overdue_at` is the providers' new deadline, if a call or a
    text was handed over.
    """
    net = _net(changes)
    await _update(connection, net, _WRITTEN)
    opted = await opt_outs.remember(connection, net, now=now)
    moves = [(change.before, change.after) for change in net]
    await states.update(connection, possible_changes(moves), opted=opted)
    await update_figures(connection, message.id, moves)
    visible = [change for change in net if is_visible(change.before, change.after)]
    if not visible and not any(change.event for change in changes):
        return message
    counts = await _counts(connection, message.id)
    copies: Sequence[Change] = []
    if any(facts.is_duplicate for facts in counts):
        copies = await _copies(connection, message.id, visible)
        await _update(connection, copies, _MIRRORED)
    await _add_events(connection, changes)
    counted = [*visible, *copies]
    counts = await _count(connection, message.id, counts, counted)
    difference = await contacted.update_flags(
        connection,
        message.id,
        [(change.before, change.after) for change in counted],
        modes={facts.mode for facts in counts},
    )
    await mode_spans.update_spans(
        connection, message.id, [(change.before, change.after) for change in visible]
    )
    return await _settle(
        connection, message, counts, now=now, contacted=difference, overdue_at=overdue_at
    )


async def settle(
    connection: WriteConnection,
    message: LiveMessage,
    *,
    now: datetime,
    status: MessageStatus | None = None,
) -> LiveMessage:
    """Update a locked message from its tallies: `status` or the derived one, revision, and whether it has open deliveries."""
    counts = await _counts(connection, message.id)
    return await _settle(connection, message, counts, now=now, status=status)


# The deliveries


def _net(changes: Iterable[Change]) -> list[Change]:
    """Merge the changes of each delivery into one, from its first state to its last."""
    net: dict[tuple[int, ...], Change] = {}
    for change in changes:
        key = change.after.key
        earlier = net.get(key)
        net[key] = change if earlier is None else change._replace(before=earlier.before)
    return list(net.values())


def is_visible(before: LiveDelivery, after: LiveDelivery) -> bool:
    """Return whether clients can see the change."""
    return (
        before.status is not after.status
        or before.call_status != after.call_status
        or before.confirmed != after.confirmed
        or before.at != after.at
    )


async def _update(
    connection: WriteConnection, changes: Sequence[Change], fields: tuple[str, ...]
) -> None:
    """Write those of `fields` that differ in any of the changes."""
    before, after = [change.before for change in changes], [change.after for change in changes]

    def differs(field: str) -> bool:
        of = attrgetter(field)
        return any(map(ne, map(of, before), map(of, after)))

    columns = tuple(filter(differs, fields))
    if columns:
        written = attrgetter(*columns, *_KEYS)
        rows = [written(change.after) for change in changes if change.before != change.after]
        await update_rows(connection, DELIVERY, rows, keys=_KEYS, columns=columns)


async def _copies(
    connection: ReadConnection, message_id: int, changes: Sequence[Change]
) -> Sequence[Change]:
    """Return the changes of the duplicates of changed deliveries: one call was made for all who share the number."""
    firsts = {(c.after.mode, c.after.address_id): c for c in changes if not c.after.is_duplicate}
    if not firsts:
        return []
    rows = await connection.execute(
        select(*COLUMNS).where(
            DELIVERY.c.message_id == message_id,
            any_of(DELIVERY.c.address_id, sorted({address for _, address in firsts})),
            DELIVERY.c.is_duplicate,
        )
    )
    copies: list[Change] = []
    for row in rows:
        copy = LiveDelivery(*row)
        if (first := firsts.get((copy.mode, copy.address_id))) is not None:
            mirrored = {name: getattr(first.after, name) for name in _MIRRORED}
            copies.append(Change(copy, copy._replace(**mirrored), first.source, None))
    return copies


async def _add_events(connection: WriteConnection, changes: Sequence[Change]) -> None:
    rows = [
        (
            *change.after.key,
            change.event,
            shown.status,
            shown.call_status,
            change.source,
            change.detail,
        )
        for change in changes
        if change.event is not None and (shown := change.reported or change.after)
    ]
    await insert_rows(connection, DELIVERY_EVENT, rows, columns=EVENT)


# The counters


async def _counts(connection: ReadConnection, message_id: int) -> Counter[Facts]:
    rows = await connection.execute(
        select(*TALLY.c[*Facts._fields, "deliveries"]).where(TALLY.c.message_id == message_id)
    )
    return Counter({Facts(*row[:4]): row[4] for row in rows})


_PlainFacts = tuple[str, str, int | None, bool]


def _plain_facts(delivery: LiveDelivery) -> _PlainFacts:
    return (
        delivery.mode._value_,
        delivery.status._value_,
        delivery.call_status,
        delivery.is_duplicate,
    )


def _facts(plain: _PlainFacts) -> Facts:
    mode, status, code, is_duplicate = plain
    return Facts(
        DeliveryMode(mode), DeliveryStatus(status), NO_CODE if code is None else code, is_duplicate
    )


async def _count(
    connection: WriteConnection,
    message_id: int,
    counts: Counter[Facts],
    changes: Sequence[Change],
) -> Counter[Facts]:
    """Update the tallies for the changes, and return the new counts."""
    moves: Counter[Facts] = Counter()
    # Most changes are alike. Plain texts cache their hash; a member of an enum is hashed each time, in Python.
    alike = Counter((_plain_facts(change.before), _plain_facts(change.after)) for change in changes)
    for (before, after), count in alike.items():
        moves[_facts(before)] -= count
        moves[_facts(after)] += count
    steps = {facts: step for facts, step in moves.items() if step}
    await insert_rows(
        connection,
        TALLY,
        [(message_id, *facts, step) for facts, step in steps.items()],
        columns=("message_id", *Facts._fields, "deliveries"),
        on_conflict=_COUNT_UP,
    )
    new_counts = Counter(counts)
    new_counts.update(steps)
    return new_counts


# The message


async def _settle(
    connection: WriteConnection,
    message: LiveMessage,
    counts: Mapping[Facts, int],
    *,
    now: datetime,
    status: MessageStatus | None = None,
    contacted: int = 0,
    overdue_at: datetime | None = None,
) -> LiveMessage:
    firsts = [(facts, count) for facts, count in counts.items() if not facts.is_duplicate]
    part = standing((facts.status, count) for facts, count in firsts)
    # Only deliveries that a provider has: a pending call may wait for the call window of the next morning.
    unreported = sum(
        count
        for facts, count in firsts
        if facts.mode in PHONE_MODES and facts.status is DeliveryStatus.IN_PROGRESS
    )
    limit = overdue_at or message.overdue_at
    is_overdue = limit is not None and limit <= now and unreported > 0
    old_status = status or message.status
    stopped, left = 0, 0
    if old_status in CANCELED:
        stopped, left = await _stopped_and_left(connection, message.id, firsts)
        if not (part.open or left or message.is_recorded):
            # The gate held everything that was claimed when the message was canceled: nothing was handed over.
            old_status = MessageStatus.CANCELED
    changed = message._replace(
        status=message_status(old_status, part, is_overdue=is_overdue),
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
            has_failures=any(
                facts.status is DeliveryStatus.FAILED and count > 0 for facts, count in firsts
            ),
            people_contacted=MESSAGE.c.people_contacted + contacted,
        )
    )
    if old_status in CANCELED:
        await connection.execute(
            update(CANCELLATION)
            .where(CANCELLATION.c.message_id == message.id)
            .values(
                stopped=stopped,
                already_sent=left,
                completed_at=(
                    None if part.open else func.coalesce(CANCELLATION.c.completed_at, now)
                ),
            )
        )
    await notify_of_message(
        connection,
        message.id,
        district_id=message.district_id,
        school_id=message.school_id,
        revision=changed.revision,
    )
    return changed


async def never_sent(connection: ReadConnection, message_id: int) -> int:
    """Return how many deliveries of a message failed because their addresses cannot be read, and so never left."""
    statement = (
        select(func.count())
        .select_from(DELIVERY)
        .where(DELIVERY.c.message_id == message_id, NEVER_SENT, ~DELIVERY.c.is_duplicate)
    )
    return await connection.scalar(statement) or 0


async def _stopped_and_left(
    connection: ReadConnection, message_id: int, counts: Sequence[tuple[Facts, int]]
) -> tuple[int, int]:
    """Return how many deliveries a cancellation stopped, marked or not, and how many had left."""
    stopped = left = 0
    for facts, count in counts:
        if facts.status in (DeliveryStatus.CANCELED, DeliveryStatus.PENDING):
            stopped += count
        elif facts.status in HANDED_OVER:
            left += count
    if any(facts.status is DeliveryStatus.FAILED for facts, _ in counts):
        left -= await never_sent(connection, message_id)
    return stopped, left
