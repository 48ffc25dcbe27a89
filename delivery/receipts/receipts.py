"""Apply receipts to deliveries, in any order and any number of times, and keep each as an event.

`delivery.receipts.matching` decides which delivery a receipt belongs to.
"""

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Final, NamedTuple

import structlog

from db.connect.database import Database
from db.connect.unavailable import retry_once
from db.derived.addresses import states
from db.dispatch import changes, in_flight, opt_outs
from db.dispatch.changes import Change, ReportedStatus
from db.dispatch.in_flight import LiveDelivery
from db.dispatch.receipts import unmatched as unmatched_receipts
from db.log import deliveries
from db.log.deliveries import DeliveryKey
from db.sql.connections import ReadConnection, WriteConnection
from delivery.dispatch import delivery_names
from delivery.dispatch.transitions import apply_receipt, keep_old_receipt
from delivery.gateways.base import Consent
from delivery.receipts.matching import Matched, match, mismatch
from domain.ids import Kind, spell
from domain.receipts import MISMATCH_REASONS, Mismatch, Receipt, Unmatched
from domain.status import DeliveryStatus, EventSource

MOST: Final = 500
"""Most receipts of one message in one transaction: more would make a cancellation wait."""

_log = structlog.get_logger(__name__)


async def apply_receipts(
    database: Database,
    gateway: str,
    receipts: Sequence[Receipt],
    *,
    source: EventSource,
    now: datetime,
) -> int:
    """Apply receipts of one provider. Return the number of changed deliveries. Keep receipts of no delivery as unmatched.

    Each message has its own transaction: a receipt for one does not wait for the lock of another. A transaction that the
    database aborts is retried once.
    """

    async def find() -> tuple[list[Matched], list[Unmatched]]:
        async with database.reading() as connection:
            return await match(connection, gateway, receipts)

    async def take(message_id: int, some: Sequence[Matched]) -> _Applied:
        async with database.writing() as connection:
            return await _apply(connection, gateway, message_id, some, source=source, now=now)

    async def keep() -> None:
        async with database.writing() as connection:
            await _keep(connection, gateway, unmatched, now=now)

    matched, unmatched = await retry_once(find)
    changed: set[DeliveryKey] = set()
    for message_id, some in _by_message(matched):
        applied = await retry_once(partial(take, message_id, some))
        changed |= applied.changed
        unmatched += applied.unmatched
    if unmatched:
        await retry_once(keep)
    return len(changed)


async def apply_receipts_within(
    connection: WriteConnection,
    gateway: str,
    receipts: Sequence[Receipt],
    *,
    source: EventSource,
    now: datetime,
) -> int:
    """Apply receipts like `apply_receipts`, in the caller's transaction, so that its other writes are atomic with them.

    Messages are locked in the order of their ids, so that two callers cannot deadlock.
    """
    matched, unmatched = await match(connection, gateway, receipts)
    changed: set[DeliveryKey] = set()
    # All messages before any address: a transaction with the lock of a message may wait for an address.
    message_ids = sorted({one.key.message_id for one in matched})
    if len(message_ids) > 1:
        for message_id in message_ids:
            await in_flight.lock(connection, message_id)
        await states.share_failures(connection)
    for message_id, some in _by_message(matched):
        applied = await _apply(connection, gateway, message_id, some, source=source, now=now)
        changed |= applied.changed
        unmatched += applied.unmatched
    await _keep(connection, gateway, unmatched, now=now)
    return len(changed)


class _Applied(NamedTuple):
    """The keys of changed deliveries, and the receipts that belong to none."""

    changed: Set[DeliveryKey] = frozenset()
    unmatched: Sequence[Unmatched] = ()


async def _apply(
    connection: WriteConnection,
    gateway: str,
    message_id: int,
    receipts: Sequence[Matched],
    *,
    source: EventSource,
    now: datetime,
) -> _Applied:
    """Apply receipts for deliveries of one message."""
    message = await in_flight.lock(connection, message_id)
    if message is None:
        if await in_flight.status(connection, message_id) is not None:
            # The message was purged: a receipt must not bring an address back.
            return _Applied()
        return _Applied(
            unmatched=[Unmatched(one.receipt, Mismatch.NO_DELIVERY) for one in receipts]
        )
    keys = sorted({one.key for one in receipts})
    before = {delivery.key: delivery for delivery in await in_flight.by_key(connection, keys)}
    targets = await in_flight.targets(
        connection, {delivery.address_id for delivery in before.values()}
    )
    after = dict(before)
    moves: list[Change] = []
    unmatched: list[Unmatched] = []
    for one in receipts:
        delivery = after.get(one.key)
        address = targets[delivery.address_id].key if delivery else None
        reason = mismatch(one, delivery, address, gateway=gateway)
        if delivery is None or reason is not None:
            unmatched.append(Unmatched(one.receipt, reason or Mismatch.NO_DELIVERY))
        else:
            moves.append(_change(delivery, one, gateway, source))
            after[one.key] = moves[-1].after
    if source is EventSource.REFRESH:
        moves = await _without_known(connection, moves)
    await changes.write(connection, message, moves, now=now)
    changed = {key for key in before if changes.is_visible(before[key], after[key])}
    return _Applied(changed, unmatched)


def _change(delivery: LiveDelivery, matched: Matched, gateway: str, source: EventSource) -> Change:
    """Return the change that a receipt makes to its delivery."""
    if matched.resends is not None and matched.resends != delivery.resends:
        return keep_old_receipt(delivery, matched.receipt, source)
    change = apply_receipt(delivery, matched.receipt, source)
    if change.after.status is DeliveryStatus.PENDING:
        return change
    return change._replace(after=change.after._replace(gateway=gateway))


async def _keep(
    connection: WriteConnection, gateway: str, unmatched: Sequence[Unmatched], *, now: datetime
) -> None:
    """Store receipts that belong to no delivery, and log a warning."""
    await unmatched_receipts.keep(connection, gateway, unmatched, now=now)
    for (reason, message_id), number in Counter(map(_group, unmatched)).items():
        about = {} if message_id is None else {"message_id": message_id}
        _log.warning(
            "receipts match no delivery and are kept as unmatched",
            gateway=gateway,
            count=number,
            reason=MISMATCH_REASONS[reason],
            **about,
        )


def _group(one: Unmatched) -> tuple[Mismatch, str | None]:
    """Return the reason of a mismatch and the id of the message that the receipt's key names: one log line for each pair."""
    sending = delivery_names.read(one.receipt.key)
    return one.reason, spell(Kind.MESSAGE, sending.delivery.message_id) if sending else None


async def _without_known(connection: ReadConnection, moves: Sequence[Change]) -> list[Change]:
    """Leave out changes that repeat an event: at each poll a provider reports the same events again."""
    keys = sorted({move.after.key for move in moves})
    known: set[tuple[object, ...]] = {
        (key, event.at, event.status, event.call_status_code)
        for key, events in (await deliveries.events(connection, keys)).items()
        for event in events
    }
    new: list[Change] = []
    for move in moves:
        reported = move.reported or ReportedStatus(move.after.status, move.after.call_status)
        event = (move.after.key, move.event, *reported)
        if move.before != move.after or event not in known:
            known.add(event)
            new.append(move)
    return new


def _by_message(matched: Sequence[Matched]) -> Iterator[tuple[int, Sequence[Matched]]]:
    """Yield the receipts by message, in their order of arrival, in batches of at most `MOST`."""
    ordered = sorted(matched, key=lambda one: one.key.message_id)
    for message_id, group in groupby(ordered, key=lambda one: one.key.message_id):
        receipts = list(group)
        for start in range(0, len(receipts), MOST):
            yield message_id, receipts[start : start + MOST]


async def store_consents(connection: WriteConnection, consents: Sequence[Consent]) -> None:
    """Store opt-outs and opt-ins of phone numbers; the latest one of each number counts."""
    ordered = sorted(consents, key=lambda consent: consent.at)
    opted = await opt_outs.store(
        connection,
        [(consent.address, consent.at if consent.opted_out else None) for consent in ordered],
    )
    await states.update(connection, (), opted=opted)
