"""Takes in what providers say: receipts become states and events, whatever their order and however often they come."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db import changes, live
from db.changes import Change, Said
from db.deliveries import DeliveryKey
from db.engine import reading, writing
from db.live import LiveDelivery
from delivery.gateways.base import Consent
from delivery.hands import state_of, with_state
from domain.ids import LARGEST
from domain.receipts import Receipt, apply
from domain.status import EventSource


async def take_in(
    engine: AsyncEngine,
    gateway: str,
    receipts: Sequence[Receipt],
    *,
    source: EventSource,
    now: datetime,
) -> int:
    """Apply receipts of one provider; how many deliveries changed. Those of no delivery of ours are passed over.

    Each message is a transaction of its own: a receipt for one does not wait for the lock of another.
    """
    async with reading(engine) as connection:
        known = await _addressees(connection, gateway, receipts)
    changed = 0
    for message_id in sorted({key.message_id for key, _ in known}):
        async with writing(engine) as connection:
            message = await live.lock(connection, message_id)
            if message is None:
                continue
            mine = [(key, receipt) for key, receipt in known if key.message_id == message_id]
            rows = {row.key: row for row in await live.by_key(connection, [key for key, _ in mine])}
            moves: list[Change] = []
            for key, receipt in mine:
                if (delivery := rows.get(key)) is not None and not delivery.is_duplicate:
                    change = _change(delivery, receipt, source)
                    rows[key] = change.after
                    moves.append(change)
            await changes.write(connection, message, moves, now=now)
            changed += len({change.after.key for change in moves if change.before != change.after})
    return changed


async def _addressees(
    connection: AsyncConnection, gateway: str, receipts: Sequence[Receipt]
) -> list[tuple[DeliveryKey, Receipt]]:
    """Each receipt with the delivery that it is about: by our key, else by the provider's name for it."""
    names = sorted(
        {r.reference for r in receipts if key_of(r.key) is None and r.reference is not None}
    )
    by_name = {
        delivery.reference: delivery.key
        for delivery in await live.by_reference(connection, gateway, names)
    }
    found: list[tuple[DeliveryKey, Receipt]] = []
    for receipt in receipts:
        key = key_of(receipt.key) or by_name.get(receipt.reference)
        if key is not None:
            found.append((key, receipt))
    return found


def key_of(text: str | None) -> DeliveryKey | None:
    """The delivery that a key of a hand-over names; None where it is no such key."""
    parts = (text or "").split(".")
    if len(parts) != 3 or not all(
        part.isascii() and part.isdigit() and len(part) <= 19 for part in parts
    ):
        return None
    message, recipient, number = map(int, parts)
    return (
        DeliveryKey(message, recipient, number)
        if max(message, recipient, number) <= LARGEST
        else None
    )


def _change(delivery: LiveDelivery, receipt: Receipt, source: EventSource) -> Change:
    """What a receipt makes of a delivery. It is an event in any case; a claim that waited for this answer has it now."""
    state = apply(state_of(delivery), receipt)
    after = with_state(delivery, state)
    if receipt.reference is not None and delivery.reference is None:
        after = after._replace(reference=receipt.reference)
    if delivery.claim is not None and delivery.handed_at is not None and receipt.status is not None:
        after = after._replace(claim=None, lease_until=None)
    said = Said(receipt.status or state.status, receipt.code)
    return Change(delivery, after, source, receipt.at, receipt.detail, said)


async def take_consents(connection: AsyncConnection, consents: Sequence[Consent]) -> None:
    """Remember who asked for no more texts, or for texts again: the latest word of each counts."""
    for consent in sorted(consents, key=lambda consent: consent.at):
        await live.set_opted_out(
            connection, consent.address, consent.at if consent.opted_out else None
        )
