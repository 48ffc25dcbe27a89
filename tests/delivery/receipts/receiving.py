"""Receipts of the fake provider, and a message that it has, for tests of receipts."""

from datetime import timedelta
from typing import Any

from delivery.dispatch.handover import hand_over
from delivery.receipts.receipts import apply_receipts
from domain.receipts import Receipt
from domain.status import DeliveryStatus, EventSource
from tests import log
from tests.delivery.world import FakeGateway, World
from tests.log import NOON


async def receive(
    world: World, *receipts: Receipt, source: EventSource = EventSource.CALLBACK
) -> int:
    """Apply receipts of the fake provider. Return how many deliveries changed."""
    return await apply_receipts(world.database, "fake", receipts, source=source, now=NOON)


def receipt_of(
    message_id: int,
    person: int = 0,
    status: DeliveryStatus | None = DeliveryStatus.DELIVERED,
    code: int | None = 5,
    *,
    device: int = 0,
    after: float = 1,
    **more: Any,
) -> Receipt:
    """Return a receipt for a device of a person, some seconds after noon."""
    at = NOON + timedelta(seconds=after)
    return Receipt(at, status, code, key=f"{message_id}.{person}.{device}", **more)


async def hand_over_all(world: World, recipients: list[log.Fields], id: str = "M-1") -> int:
    """Import a message and hand all of it over to the fake provider."""
    message_id = await world.load(recipients, id=id)
    await hand_over(world.runtime_of(FakeGateway(batch=500)), message_id, 0)
    return message_id
