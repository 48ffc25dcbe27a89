"""Takes in what providers say: receipts become states and events, whatever their order and however often they come."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db import changes, deliveries, live
from db.away import retry_once
from db.changes import Change, Said
from db.deliveries import DeliveryKey
from db.engine import reading, writing
from db.live import LiveDelivery
from delivery import keys
from delivery.gateways.base import Consent
from delivery.outcomes import heard, outlived
from domain.receipts import Receipt
from domain.status import DeliveryStatus, EventSource

MOST: Final = 500
"""Receipts of one message that one transaction takes in: more would keep a cancellation waiting."""


class _Addressed(NamedTuple):
    """A receipt, and the delivery that it is about; `resends` tells which sending of it, None where that is not said."""

    key: DeliveryKey
    resends: int | None
    receipt: Receipt


async def take_in(
    engine: AsyncEngine,
    gateway: str,
    receipts: Sequence[Receipt],
    *,
    source: EventSource,
    now: datetime,
) -> int:
    """Apply receipts of one provider; how many deliveries changed. Those of no delivery of ours are passed over.

    Each message is a transaction of its own: a receipt for one does not wait for the lock of another. A transaction that the
    database ends is run once more.
    """

    async def find() -> list[_Addressed]:
        async with reading(engine) as connection:
            return await _addressed(connection, gateway, receipts)

    async def take(message_id: int, some: Sequence[_Addressed]) -> set[DeliveryKey]:
        async with writing(engine) as connection:
            return await _apply(connection, gateway, message_id, some, source=source, now=now)

    changed: set[DeliveryKey] = set()
    for message_id, some in _by_message(await retry_once(find)):
        changed |= await retry_once(partial(take, message_id, some))
    return len(changed)


async def take_in_together(
    connection: AsyncConnection,
    gateway: str,
    receipts: Sequence[Receipt],
    *,
    source: EventSource,
    now: datetime,
) -> int:
    """As `take_in`, in the caller's transaction: for what has to be written with them, or not at all.

    Messages are locked in the order of their ids, so that two such callers do not wait for each other in a circle.
    """
    known = await _addressed(connection, gateway, receipts)
    changed: set[DeliveryKey] = set()
    for message_id, some in _by_message(known):
        changed |= await _apply(connection, gateway, message_id, some, source=source, now=now)
    return len(changed)


async def _apply(
    connection: AsyncConnection,
    gateway: str,
    message_id: int,
    receipts: Sequence[_Addressed],
    *,
    source: EventSource,
    now: datetime,
) -> set[DeliveryKey]:
    """Apply receipts for deliveries of one message; which deliveries changed."""
    message = await live.lock(connection, message_id)
    if message is None:
        return set()
    about = sorted({key for key, _, _ in receipts})
    before = {
        delivery.key: delivery
        for delivery in await live.by_key(connection, about)
        # A provider speaks for what it was given. None: it has what we forgot, for this is a restored database, say.
        if delivery.gateway in (gateway, None) and not delivery.is_duplicate
    }
    after = dict(before)
    moves: list[Change] = []
    for key, resends, receipt in receipts:
        if key in after:
            if resends is not None and resends != after[key].resends:
                change = outlived(after[key], receipt, source)
            else:
                change = heard(after[key], receipt, source)
                if change.after.status is not DeliveryStatus.PENDING:
                    change = change._replace(after=change.after._replace(gateway=gateway))
            after[key] = change.after
            moves.append(change)
    if source is EventSource.REFRESH:
        moves = await _news(connection, moves)
    await changes.write(connection, message, moves, now=now)
    return {key for key, delivery in before.items() if changes.shows(delivery, after[key])}


async def _news(connection: AsyncConnection, moves: Sequence[Change]) -> list[Change]:
    """Those changes that say what was not heard before: a provider that is asked repeats itself, and we asked."""
    about = sorted({move.after.key for move in moves})
    told: set[tuple[object, ...]] = {
        (key, event.at, event.status, event.call_status_code)
        for key, events in (await deliveries.events(connection, about)).items()
        for event in events
    }
    news: list[Change] = []
    for move in moves:
        said = move.said or Said(move.after.status, move.after.call_status)
        word = (move.after.key, move.event, *said)
        if move.before != move.after or word not in told:
            told.add(word)
            news.append(move)
    return news


def _by_message(known: Sequence[_Addressed]) -> Iterator[tuple[int, Sequence[_Addressed]]]:
    """The receipts by message, in the order in which they came, and no more at once than one transaction takes."""
    ordered = sorted(known, key=lambda one: one.key.message_id)
    for message_id, group in groupby(ordered, key=lambda one: one.key.message_id):
        receipts = list(group)
        for start in range(0, len(receipts), MOST):
            yield message_id, receipts[start : start + MOST]


async def _addressed(
    connection: AsyncConnection, gateway: str, receipts: Sequence[Receipt]
) -> list[_Addressed]:
    """Each receipt with the delivery that it is about: by our key, else by the provider's name for it."""
    named = [(keys.read(receipt.key), receipt) for receipt in receipts]
    names = sorted({r.reference for sending, r in named if sending is None and r.reference})
    by_name: dict[str | None, LiveDelivery] = {
        delivery.reference: delivery
        for delivery in await live.by_reference(connection, gateway, names)
    }
    found: list[_Addressed] = []
    for sending, receipt in named:
        if sending is not None:
            found.append(_Addressed(sending.delivery, sending.resends, receipt))
        elif (delivery := by_name.get(receipt.reference)) is not None:
            found.append(_Addressed(delivery.key, None, receipt))
    return found


async def take_consents(connection: AsyncConnection, consents: Sequence[Consent]) -> None:
    """Remember who asked for no more texts, or for texts again: the latest word of each counts."""
    # By number, so that two that take in the same ones lock them in the same order.
    for consent in sorted(consents, key=lambda consent: (consent.address, consent.at)):
        await live.set_opted_out(
            connection, consent.address, consent.at if consent.opted_out else None
        )
