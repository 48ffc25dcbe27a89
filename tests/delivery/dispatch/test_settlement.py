"""The promise: claims without an outcome are settled by asking the provider; no call is placed twice, and none is lost."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import event

from delivery.dispatch.settlement import settle_lapsed
from delivery.gateways.base import (
    Accepted,
    CannotTell,
    Finding,
    FoundAtProvider,
    Handover,
    NotAtProvider,
    Outcome,
    Unsure,
)
from domain.receipts import Receipt
from domain.status import DeliveryMode, DeliveryStatus, EventSource, MessageStatus
from tests.delivery.world import Event, FakeGateway, World, call, mail, people, text_to
from tests.log import NOON


def mute(handover: Handover) -> Outcome:
    return Unsure("no answer")


def arrived(handover: Handover) -> Finding:
    return FoundAtProvider(
        f"SID-{handover.key}",
        [
            Receipt(NOON, DeliveryStatus.IN_PROGRESS, detail="ringing"),
            Receipt(NOON, DeliveryStatus.DELIVERED, 5, detail="answered"),
        ],
    )


def cannot_tell(handover: Handover) -> Finding:
    return CannotTell("it keeps no list")


async def test_a_delivery_at_the_provider_is_recorded_with_all_its_receipts(world: World) -> None:
    world.use(FakeGateway(answer=mute, find=arrived))
    message_id = await world.load(people(1, call))
    await world.work()

    assert await world.settle() == 1

    row = await world.one(message_id)
    assert (row.status, row.call_status, row.claim) == (DeliveryStatus.DELIVERED, 5, None)
    assert row.reference == f"SID-{message_id}.0.0"
    assert await world.events(row.key) == [
        Event(DeliveryStatus.IN_PROGRESS, None, EventSource.DISPATCH, "no answer"),
        Event(DeliveryStatus.IN_PROGRESS, None, EventSource.REFRESH, "ringing"),
        Event(DeliveryStatus.DELIVERED, 5, EventSource.REFRESH, "answered"),
    ]
    assert await world.status(message_id) is MessageStatus.SENT
    await world.recount()


async def test_a_delivery_that_did_not_arrive_is_handed_over_again(world: World) -> None:
    gateway = world.use(FakeGateway(answer=mute))
    message_id = await world.load(people(1, call))
    await world.work()

    await world.settle()

    row = await world.one(message_id)
    assert (row.status, row.claim, row.handed_at) == (DeliveryStatus.PENDING, None, None)
    await world.work()
    assert [(h.key, h.attempt) for h in gateway.given] == [
        (f"{message_id}.0.0", 1),
        (f"{message_id}.0.0", 2),
    ]
    await world.recount()


@pytest.mark.parametrize("device", [call, text_to])
async def test_a_call_or_text_of_unknown_fate_fails_and_is_never_sent_again(
    world: World, device: object
) -> None:
    gateway = world.use(FakeGateway(answer=mute, find=cannot_tell))
    message_id = await world.load(people(1, device))  # type: ignore[arg-type]
    await world.work()

    await world.settle()
    await world.work()

    row = await world.one(message_id)
    assert (row.status, row.call_status) == (DeliveryStatus.FAILED, -5)
    assert len(gateway.given) == 1
    assert await world.status(message_id) is MessageStatus.SENT
    await world.recount()


async def test_an_email_of_unknown_fate_is_sent_again_with_the_same_key(world: World) -> None:
    gateway = world.use(FakeGateway(answer=mute, find=cannot_tell))
    message_id = await world.load(people(1, mail))
    await world.work()

    await world.settle()
    world.clock.advance(minutes=1)
    await world.work()

    assert gateway.keys == [f"{message_id}.0.0"] * 2
    assert (await world.one(message_id)).status is DeliveryStatus.IN_PROGRESS
    await world.recount()


async def test_an_unavailable_provider_is_asked_again_later(world: World) -> None:
    gateway = world.use(FakeGateway(answer=mute, find=arrived))
    gateway.is_reachable = False
    message_id = await world.load(people(1, call))
    await world.work()
    before = await world.one(message_id)

    assert await world.settle() == 1

    row = await world.one(message_id)
    assert row.status is DeliveryStatus.IN_PROGRESS
    assert row.claim != before.claim
    assert await settle_lapsed(world.runtime) == 0, "its claim holds for a minute"
    gateway.is_reachable = True
    await world.settle()
    assert (await world.one(message_id)).status is DeliveryStatus.DELIVERED
    assert len(gateway.given) == 1
    await world.recount()


async def test_a_provider_is_not_asked_before_its_list_is_complete(world: World) -> None:
    class Slow(FakeGateway):
        settles_after = timedelta(minutes=20)

    gateway = world.use(Slow(answer=mute))
    message_id = await world.load(people(1, call))
    await world.work()

    await world.settle()
    assert gateway.lookups == []
    assert (await world.one(message_id)).status is DeliveryStatus.IN_PROGRESS

    world.clock.advance(minutes=20)
    await world.settle()
    assert len(gateway.lookups) == 1
    assert (await world.one(message_id)).status is DeliveryStatus.PENDING


async def test_a_record_that_fits_two_deliveries_belongs_to_one(world: World) -> None:
    """Two equal texts to the same number look alike to a provider that does not store our key."""
    world.use(
        FakeGateway(
            answer=mute,
            find=lambda _: FoundAtProvider("SID", [Receipt(NOON, DeliveryStatus.IN_PROGRESS)]),
        )
    )
    message_id = await world.load(people(2, call))
    await world.work()

    await world.settle()

    rows = await world.deliveries(message_id)
    assert [(row.status, row.call_status, row.reference) for row in rows] == [
        (DeliveryStatus.IN_PROGRESS, None, "SID"),
        (DeliveryStatus.FAILED, -5, None),
    ]
    await world.recount()


async def test_a_record_with_another_delivery_s_reference_is_no_finding(world: World) -> None:
    gateway = world.use(FakeGateway(answer=lambda _: Accepted("SID", DeliveryStatus.IN_PROGRESS)))
    first = await world.load(people(1, call))
    await world.work()
    gateway.answer = mute
    gateway.finding = lambda _: FoundAtProvider("SID", [Receipt(NOON, DeliveryStatus.DELIVERED, 5)])
    second = await world.load(people(1, call), id="M-2")
    await world.work()

    await world.settle()

    assert (await world.one(first)).status is DeliveryStatus.IN_PROGRESS
    assert (await world.one(second)).call_status == -5


async def test_a_delivery_of_a_removed_gateway_cannot_be_found(world: World) -> None:
    class Other(FakeGateway):
        name = "other"

    message_id = await world.load(people(1, call))
    await world.work(FakeGateway(answer=mute))
    now = Other(find=arrived)

    await world.settle(now)

    assert now.lookups == []
    assert (await world.one(message_id)).call_status == -5


async def test_a_claim_is_not_settled_before_its_lease_ends(world: World) -> None:
    gateway = world.use(FakeGateway(answer=mute, find=arrived))
    await world.load(people(1, call))
    await world.work()
    before = await world.everything()

    assert await settle_lapsed(world.runtime) == 0
    assert gateway.lookups == []
    assert await world.everything() == before


async def test_two_concurrent_settlements_ask_once(world: World) -> None:
    gateway = world.use(FakeGateway(answer=mute, find=arrived))
    message_id = await world.load(people(30, call))
    await world.work()

    assert (
        sum(await asyncio.gather(world.settle(), *(settle_lapsed(world.runtime) for _ in range(3))))
        == 30
    )
    assert len(gateway.lookups) == 30
    assert await world.statuses(message_id) == {"DELIVERED": 30}
    await world.recount()


async def test_one_failed_look_up_does_not_block_the_others(world: World) -> None:
    def find(handover: Handover) -> Finding:
        if handover.key.endswith(".0.0"):
            raise RuntimeError("a bug")
        return arrived(handover)

    world.use(FakeGateway(answer=mute, find=find))
    message_id = await world.load(people(3, call))
    await world.work()

    await world.settle()

    assert [row.status for row in await world.deliveries(message_id)] == [
        DeliveryStatus.IN_PROGRESS,
        DeliveryStatus.DELIVERED,
        DeliveryStatus.DELIVERED,
    ]


@pytest.mark.parametrize(
    ("find", "stands"),
    [
        (arrived, "DELIVERED"),
        (lambda _: NotAtProvider(), "CANCELED"),
        (cannot_tell, "FAILED"),
    ],
    ids=["found", "surely not", "cannot tell"],
)
@pytest.mark.parametrize("device", [call, mail])
async def test_nothing_of_a_canceled_message_is_sent_again_for_any_finding(
    world: World, device: object, find: object, stands: str
) -> None:
    gateway = world.use(FakeGateway(answer=mute, find=find))  # type: ignore[arg-type]
    message_id = await world.load(people(1, device))  # type: ignore[arg-type]
    await world.work()
    await world.cancel(message_id)

    await world.settle()
    world.clock.advance(hours=1)
    await world.work()

    assert await world.statuses(message_id) == {stands: 1}
    assert len(gateway.given) == 1
    await world.recount()


async def test_a_process_that_returns_after_its_claim_was_settled_changes_nothing(
    world: World,
) -> None:
    message_id = await world.load(people(1, call))
    other = world.runtime_of(FakeGateway(find=cannot_tell))

    async def settled() -> None:
        await world.settle(other)

    await world.work(FakeGateway(answer=mute, meanwhile=settled))

    row = await world.one(message_id)
    assert (row.status, row.call_status, row.claim) == (DeliveryStatus.FAILED, -5, None)
    assert [event.source for event in await world.events(row.key)] == [EventSource.TIMEOUT]
    await world.recount()


async def test_claims_of_many_messages_are_settled_in_one_round(world: World) -> None:
    gateway = FakeGateway(answer=mute, find=arrived)
    runtime = world.runtime_of({DeliveryMode.VOICE: gateway})
    ids = [await world.load(people(2, call), id=f"M-{number}") for number in range(4)]
    await world.work(runtime)

    assert await world.settle(runtime) == 8
    assert [await world.status(message_id) for message_id in ids] == [MessageStatus.SENT] * 4
    await world.recount()


async def test_a_message_that_cannot_be_settled_does_not_block_others(world: World) -> None:
    world.use(FakeGateway(answer=mute, find=cannot_tell))
    broken = await world.load(people(1, call), id="M-1")
    other = await world.load(people(1, call), id="M-2")
    await world.work()

    def fail(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith("SELECT message.subject") and broken in _values(parameters):
            raise RuntimeError("a message that cannot be read")

    event.listen(world.database.engine.sync_engine, "before_cursor_execute", fail)
    await world.settle()
    event.remove(world.database.engine.sync_engine, "before_cursor_execute", fail)

    assert await world.statuses(broken) == {"IN_PROGRESS": 1}
    assert await world.statuses(other) == {"FAILED": 1}
    await world.settle()
    assert await world.statuses(broken) == {"FAILED": 1}
    await world.recount()


def _values(parameters: object) -> list[object]:
    """Return the parameters of a statement, named or positional."""
    if isinstance(parameters, dict):
        return list(parameters.values())
    return list(parameters) if isinstance(parameters, tuple | list) else []
