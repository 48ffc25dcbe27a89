"""A call with an incomplete receipt stays open and is polled, through the real gateway, until the time limit."""

from datetime import timedelta
from typing import Any

import pytest

from delivery.dispatch.delivery_names import spell
from delivery.dispatch.runtime import Runtime
from delivery.receipts.polling import poll_due
from domain.status import DeliveryStatus, EventSource, MessageStatus
from tests.delivery.gateways.stand_ins import Behaviour, CallStandIn
from tests.delivery.runners.kinds import at_work, holds, runner_of
from tests.delivery.world import World, call, people
from tests.server.routes.test_signed_callbacks import by_twilio, post


class Placed:
    """One call that Twilio has placed, with a manual clock."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clock = world.clock
        self.calls = CallStandIn()
        self.runtime: Runtime = world.runtime_of(self.calls.gateway)

    async def place(self) -> "Placed":
        self.message_id = await self.world.load(people(1, lambda _: call(1)))
        await self.world.work(self.runtime)
        self.calls.requests.clear()
        return self

    async def report(self, **fields: str) -> None:
        """Send a signed status callback about the call."""
        delivery = await self.world.one(self.message_id)
        target = f"/callbacks/twilio/call?delivery={spell(delivery)}"
        about = {"CallSid": delivery.reference or "", "To": delivery.address} | fields
        assert (
            await post(self.world.database, self.calls.gateway, by_twilio(target, **about)) == 200
        )

    def knows(self, **fields: Any) -> None:
        """Set Twilio's Call resource."""
        self.calls.made[0] |= {"status": "completed"} | fields

    async def standing(self) -> tuple[DeliveryStatus, int | None]:
        delivery = await self.world.one(self.message_id)
        return delivery.status, delivery.call_status


@pytest.fixture
async def placed(world: World) -> Placed:
    return await Placed(world).place()


async def test_a_completed_call_stays_open_until_twilio_reports_who_answered(
    placed: Placed,
) -> None:
    await placed.report(CallStatus="completed")
    assert await placed.standing() == (DeliveryStatus.IN_PROGRESS, None)
    assert (await placed.world.message(placed.message_id)).people_contacted == 0

    assert await poll_due(placed.runtime) == 0, "it is asked about after a minute"
    placed.clock.advance(minutes=1)
    placed.knows(answered_by="machine_start")
    assert await poll_due(placed.runtime) == 1

    assert await placed.standing() == (DeliveryStatus.DELIVERED, 6)
    assert (await placed.world.message(placed.message_id)).people_contacted == 1
    row = await placed.world.one(placed.message_id)
    assert [(e.status, e.source) for e in await placed.world.events(row.key)][-2:] == [
        (DeliveryStatus.IN_PROGRESS, EventSource.CALLBACK),
        (DeliveryStatus.DELIVERED, EventSource.REFRESH),
    ]
    assert row.due_at is None
    placed.clock.advance(hours=1)
    assert await poll_due(placed.runtime) == 0
    await placed.world.recount()


async def test_a_late_callback_with_who_answered_ends_the_polling(placed: Placed) -> None:
    await placed.report(CallStatus="completed")
    await placed.report(CallStatus="completed", AnsweredBy="human")
    placed.clock.advance(minutes=1)

    assert await poll_due(placed.runtime) == 0
    assert await placed.standing() == (DeliveryStatus.DELIVERED, 5)
    assert placed.calls.requests == []


async def test_a_late_ringing_callback_does_not_stop_the_polling(placed: Placed) -> None:
    await placed.report(CallStatus="completed")
    await placed.report(CallStatus="ringing")
    placed.clock.advance(minutes=1)

    assert await poll_due(placed.runtime) == 1


async def test_a_call_without_who_answered_is_polled_at_growing_pauses(placed: Placed) -> None:
    placed.knows(answered_by=None)
    await placed.report(CallStatus="completed")
    before = await placed.world.one(placed.message_id)
    asked_at = []
    for minute in range(1, 181):
        placed.clock.advance(minutes=1)
        await placed.world.work(placed.runtime)  # marks what is overdue
        if await poll_due(placed.runtime):
            asked_at.append(minute)

    assert asked_at == [1, 2, 4, 8, 16, 32]
    assert len(placed.calls.requests) == 6
    after = await placed.world.one(placed.message_id)
    assert after == before._replace(due_at=None)
    found = await placed.world.message(placed.message_id)
    assert (found.status, found.people_contacted) == (MessageStatus.ERROR, 0)
    await placed.world.recount()


async def test_an_unavailable_provider_is_polled_again(placed: Placed) -> None:
    placed.knows(answered_by="human")
    await placed.report(CallStatus="completed")
    placed.calls.behaviour = Behaviour.IS_GONE
    placed.clock.advance(minutes=1)
    assert await poll_due(placed.runtime) == 1
    assert await placed.standing() == (DeliveryStatus.IN_PROGRESS, None)
    assert await poll_due(placed.runtime) == 0

    placed.calls.behaviour = Behaviour.TAKES
    placed.clock.advance(minutes=1)
    assert await poll_due(placed.runtime) == 1
    assert await placed.standing() == (DeliveryStatus.DELIVERED, 5)


async def test_of_many_concurrent_polls_one_asks_the_provider(placed: Placed) -> None:
    await placed.report(CallStatus="completed")
    placed.clock.advance(minutes=1)

    assert [await poll_due(placed.runtime) for _ in range(3)] == [1, 0, 0]
    assert len(placed.calls.requests) == 1


async def test_a_call_without_an_incomplete_receipt_is_not_polled(placed: Placed) -> None:
    await placed.report(CallStatus="in-progress")
    before = await placed.world.everything()
    placed.clock.now += timedelta(hours=3)

    assert await poll_due(placed.runtime) == 0
    assert await placed.world.everything() == before
    assert placed.calls.requests == []


async def test_a_runner_polls(placed: Placed) -> None:
    placed.knows(answered_by="human")
    await placed.report(CallStatus="completed")
    placed.clock.advance(minutes=1)

    async def is_answered() -> bool:
        return await placed.standing() == (DeliveryStatus.DELIVERED, 5)

    async with at_work(runner_of(placed.runtime)):
        await holds(placed.world.database, is_answered)

    assert len(placed.calls.requests) == 1
