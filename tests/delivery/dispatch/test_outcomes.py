"""The promise: each outcome of a hand-over is recorded with its retries, its figures and its time limits."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from delivery.dispatch.provider_rate import DOWN_FROM
from delivery.gateways.base import (
    Accepted,
    Handover,
    NotAccepted,
    Outcome,
    Refused,
    Unsure,
)
from delivery.gateways.port import Passage
from domain.status import DeliveryStatus, EventSource, MessageStatus
from tests.delivery.world import FakeGateway, World, call, mail, people
from tests.log import NOON


def busy(handover: Handover) -> Outcome:
    return NotAccepted("busy")


@pytest.mark.parametrize(
    ("outcome", "stands", "message_stands"),
    [
        (
            Accepted("R", DeliveryStatus.IN_PROGRESS),
            (DeliveryStatus.IN_PROGRESS, None),
            MessageStatus.IN_PROGRESS,
        ),
        (
            Accepted("R", DeliveryStatus.DELIVERED, 5),
            (DeliveryStatus.DELIVERED, 5),
            MessageStatus.SENT,
        ),
        (Refused("no such number", code=-2), (DeliveryStatus.FAILED, -2), MessageStatus.SENT),
        (
            Refused("stop", DeliveryStatus.OPTED_OUT, -33),
            (DeliveryStatus.OPTED_OUT, -33),
            MessageStatus.SENT,
        ),
        (NotAccepted("busy"), (DeliveryStatus.PENDING, None), MessageStatus.IN_PROGRESS),
        (Unsure("no answer"), (DeliveryStatus.IN_PROGRESS, None), MessageStatus.IN_PROGRESS),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_an_outcome_is_recorded_with_its_events_and_figures(
    world: World,
    outcome: Outcome,
    stands: tuple[DeliveryStatus, int | None],
    message_stands: MessageStatus,
) -> None:
    message_id = await world.load(people(1, call))

    await world.work(FakeGateway(answer=lambda _: outcome))

    row = await world.one(message_id)
    assert (row.status, row.call_status) == stands
    assert row.reference == (outcome.reference if isinstance(outcome, Accepted) else None)
    assert (row.claim is not None) == isinstance(outcome, Unsure)
    assert await world.status(message_id) is message_stands
    (event,) = await world.events(row.key)
    assert (event.status, event.source) == (stands[0], EventSource.DISPATCH)
    assert event.detail == (None if isinstance(outcome, Accepted) else outcome.reason)
    await world.recount()


async def test_an_unaccepted_delivery_is_retried_after_growing_pauses(world: World) -> None:
    world.use(FakeGateway(answer=busy))
    message_id = await world.load(people(1, mail))
    tried: list[float] = []
    for _ in range(60):
        tried += [(world.clock.now - NOON).total_seconds()] * await world.work()
        world.clock.advance(seconds=1)

    # Half of 5, 10, 20, 40 seconds, the chance being nil; the clock goes by seconds.
    assert tried == [0, 3, 8, 18, 38]
    row = await world.one(message_id)
    assert (row.status, row.attempts, row.handed_at) == (DeliveryStatus.PENDING, 5, None)
    assert row.first_at == NOON
    await world.recount()


async def test_a_call_that_is_not_accepted_for_hours_fails(world: World) -> None:
    world.use(FakeGateway(answer=busy))
    message_id = await world.load(people(1, call))
    for _ in range(30):
        await world.work()
        world.clock.advance(minutes=10)

    row = await world.one(message_id)
    assert (row.status, row.call_status) == (DeliveryStatus.FAILED, -11)
    assert await world.status(message_id) is MessageStatus.SENT
    assert await world.work() == 0
    await world.recount()


async def test_a_provider_that_accepts_nothing_is_put_on_hold(world: World) -> None:
    gateway = world.use(FakeGateway(answer=busy, batch=DOWN_FROM))
    message_id = await world.load(people(5 * DOWN_FROM, mail))

    await world.work(rounds=3)

    assert gateway.waves == [DOWN_FROM]
    gateway.answer = lambda h: Accepted(None, DeliveryStatus.SENT)
    await world.let_go()
    world.clock.advance(seconds=5)
    await world.work()
    assert await world.statuses(message_id) == {"SENT": 5 * DOWN_FROM}
    await world.recount()


async def test_one_refused_address_does_not_block_others(world: World) -> None:
    world.use(
        FakeGateway(
            answer=lambda h: (
                busy(h) if h.address.startswith("p0@") else Accepted(None, DeliveryStatus.SENT)
            ),
            batch=1,
        )
    )
    message_id = await world.load(people(3, mail))

    await world.work(rounds=2)

    assert await world.statuses(message_id) == {"PENDING": 1, "SENT": 2}


async def test_a_gateway_that_fails_or_returns_nonsense_leaves_its_deliveries_unsure(
    world: World,
) -> None:
    class Broken(FakeGateway):
        async def transmit(
            self, composed: Sequence[Handover], passage: Passage
        ) -> Sequence[Outcome]:
            await super().transmit(composed, passage)
            if len(self.waves) == 1:
                raise RuntimeError("a bug")
            return []

    gateway = world.use(Broken(batch=2))
    message_id = await world.load(people(4, call))

    await world.work(rounds=2)

    rows = await world.deliveries(message_id)
    assert len(gateway.keys) == 4
    assert {row.status for row in rows} == {DeliveryStatus.IN_PROGRESS}
    assert all(row.claim for row in rows)
    assert [[event.detail for event in await world.events(row.key)] for row in rows] == [
        ["RuntimeError"],
        ["RuntimeError"],
        ["the gateway gave 0 outcomes for 2 deliveries"],
        ["the gateway gave 0 outcomes for 2 deliveries"],
    ]
    await world.recount()


async def test_the_wait_for_a_silent_provider_ends_within_the_claim(world: World) -> None:
    gateway = FakeGateway(meanwhile=asyncio.Event().wait)  # type: ignore[arg-type]
    runtime = world.runtime_of(gateway, send_limit=timedelta(milliseconds=20))
    message_id = await world.load(people(1, call))

    await world.work(runtime)

    row = await world.one(message_id)
    assert (row.status, row.reference) == (DeliveryStatus.IN_PROGRESS, None)
    assert [e.detail for e in await world.events(row.key)] == ["no answer in time"]


async def test_an_unaccepted_delivery_of_a_canceled_message_is_canceled_and_not_retried(
    world: World,
) -> None:
    message_id = await world.load(people(2, mail))

    async def canceled() -> None:
        await world.cancel(message_id)

    world.use(FakeGateway(answer=busy, meanwhile=canceled))
    await world.work()

    assert await world.statuses(message_id) == {"CANCELED": 2}
    world.clock.advance(hours=1)
    assert await world.work() == 0
    await world.recount()


async def test_each_hand_over_of_a_call_or_text_restarts_the_providers_time_limit(
    world: World,
) -> None:
    runtime = world.runtime_of(FakeGateway(answer=busy), provider_limit=timedelta(minutes=60))
    called, mailed = (
        await world.load(people(1, call)),
        await world.load(people(1, mail), id="M-2"),
    )

    await world.work(runtime)
    world.clock.advance(minutes=10)
    await world.work(runtime)

    assert (await world.message(called)).overdue_at == world.clock.now + timedelta(minutes=60)
    assert (await world.message(mailed)).overdue_at is None
