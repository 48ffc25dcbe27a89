"""The promise: claims without an outcome are settled by asking the provider; no call is placed twice, and none is lost."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import event

from db.connect.database import Database
from db.dispatch import cancel
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
from tests.delivery.world import (
    Clock,
    Event,
    FakeGateway,
    call,
    deliveries,
    events,
    everything,
    load,
    mail,
    one,
    people,
    recount,
    runtime_of,
    settle,
    status,
    statuses,
    text_to,
    work,
)
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


async def test_a_delivery_at_the_provider_is_recorded_with_all_its_receipts(
    database: Database,
) -> None:
    gateway = FakeGateway(answer=mute, find=arrived)
    runtime = runtime_of(database, Clock(), gateway)
    message_id = await load(database, people(1, call))
    await work(runtime)

    assert await settle(runtime) == 1

    row = await one(database, message_id)
    assert (row.status, row.call_status, row.claim) == (DeliveryStatus.DELIVERED, 5, None)
    assert row.reference == f"SID-{message_id}.0.0"
    assert await events(database, row.key) == [
        Event(DeliveryStatus.IN_PROGRESS, None, EventSource.DISPATCH, "no answer"),
        Event(DeliveryStatus.IN_PROGRESS, None, EventSource.REFRESH, "ringing"),
        Event(DeliveryStatus.DELIVERED, 5, EventSource.REFRESH, "answered"),
    ]
    assert await status(database, message_id) is MessageStatus.SENT
    await recount(database)


async def test_a_delivery_that_did_not_arrive_is_handed_over_again(database: Database) -> None:
    gateway = FakeGateway(answer=mute)
    runtime = runtime_of(database, Clock(), gateway)
    message_id = await load(database, people(1, call))
    await work(runtime)

    await settle(runtime)

    row = await one(database, message_id)
    assert (row.status, row.claim, row.handed_at) == (DeliveryStatus.PENDING, None, None)
    await work(runtime)
    assert [(h.key, h.attempt) for h in gateway.given] == [
        (f"{message_id}.0.0", 1),
        (f"{message_id}.0.0", 2),
    ]
    await recount(database)


@pytest.mark.parametrize("device", [call, text_to])
async def test_a_call_or_text_of_unknown_fate_fails_and_is_never_sent_again(
    database: Database, device: object
) -> None:
    gateway = FakeGateway(answer=mute, find=cannot_tell)
    runtime = runtime_of(database, Clock(), gateway)
    message_id = await load(database, people(1, device))  # type: ignore[arg-type]
    await work(runtime)

    await settle(runtime)
    await work(runtime)

    row = await one(database, message_id)
    assert (row.status, row.call_status) == (DeliveryStatus.FAILED, -5)
    assert len(gateway.given) == 1
    assert await status(database, message_id) is MessageStatus.SENT
    await recount(database)


async def test_an_email_of_unknown_fate_is_sent_again_with_the_same_key(
    database: Database,
) -> None:
    clock = Clock()
    gateway = FakeGateway(answer=mute, find=cannot_tell)
    runtime = runtime_of(database, clock, gateway)
    message_id = await load(database, people(1, mail))
    await work(runtime)

    await settle(runtime)
    clock.advance(minutes=1)
    await work(runtime)

    assert gateway.keys == [f"{message_id}.0.0"] * 2
    assert (await one(database, message_id)).status is DeliveryStatus.IN_PROGRESS
    await recount(database)


async def test_an_unavailable_provider_is_asked_again_later(database: Database) -> None:
    gateway = FakeGateway(answer=mute, find=arrived)
    gateway.is_reachable = False
    runtime = runtime_of(database, Clock(), gateway)
    message_id = await load(database, people(1, call))
    await work(runtime)
    before = await one(database, message_id)

    assert await settle(runtime) == 1

    row = await one(database, message_id)
    assert row.status is DeliveryStatus.IN_PROGRESS
    assert row.claim != before.claim
    assert await settle_lapsed(runtime) == 0, "its claim holds for a minute"
    gateway.is_reachable = True
    await settle(runtime)
    assert (await one(database, message_id)).status is DeliveryStatus.DELIVERED
    assert len(gateway.given) == 1
    await recount(database)


async def test_a_provider_is_not_asked_before_its_list_is_complete(
    database: Database,
) -> None:
    class Slow(FakeGateway):
        settles_after = timedelta(minutes=20)

    clock = Clock()
    gateway = Slow(answer=mute)
    runtime = runtime_of(database, clock, gateway)
    message_id = await load(database, people(1, call))
    await work(runtime)

    await settle(runtime)
    assert gateway.lookups == []
    assert (await one(database, message_id)).status is DeliveryStatus.IN_PROGRESS

    clock.advance(minutes=20)
    await settle(runtime)
    assert len(gateway.lookups) == 1
    assert (await one(database, message_id)).status is DeliveryStatus.PENDING


async def test_a_record_that_fits_two_deliveries_belongs_to_one(database: Database) -> None:
    """Two equal texts to the same number look alike to a provider that does not store our key."""
    gateway = FakeGateway(
        answer=mute,
        find=lambda _: FoundAtProvider("SID", [Receipt(NOON, DeliveryStatus.IN_PROGRESS)]),
    )
    runtime = runtime_of(database, Clock(), gateway)
    message_id = await load(database, people(2, call))
    await work(runtime)

    await settle(runtime)

    rows = await deliveries(database, message_id)
    assert [(row.status, row.call_status, row.reference) for row in rows] == [
        (DeliveryStatus.IN_PROGRESS, None, "SID"),
        (DeliveryStatus.FAILED, -5, None),
    ]
    await recount(database)


async def test_a_record_with_another_delivery_s_reference_is_no_finding(
    database: Database,
) -> None:
    gateway = FakeGateway(answer=lambda _: Accepted("SID", DeliveryStatus.IN_PROGRESS))
    runtime = runtime_of(database, Clock(), gateway)
    first = await load(database, people(1, call))
    await work(runtime)
    gateway.answer = mute
    gateway.finding = lambda _: FoundAtProvider("SID", [Receipt(NOON, DeliveryStatus.DELIVERED, 5)])
    second = await load(database, people(1, call), id="M-2")
    await work(runtime)

    await settle(runtime)

    assert (await one(database, first)).status is DeliveryStatus.IN_PROGRESS
    assert (await one(database, second)).call_status == -5


async def test_a_delivery_of_a_removed_gateway_cannot_be_found(database: Database) -> None:
    class Other(FakeGateway):
        name = "other"

    clock = Clock()
    message_id = await load(database, people(1, call))
    await work(runtime_of(database, clock, FakeGateway(answer=mute)))
    now = Other(find=arrived)

    await settle(runtime_of(database, clock, now))

    assert now.lookups == []
    assert (await one(database, message_id)).call_status == -5


async def test_a_claim_is_not_settled_before_its_lease_ends(database: Database) -> None:
    gateway = FakeGateway(answer=mute, find=arrived)
    runtime = runtime_of(database, Clock(), gateway)
    await load(database, people(1, call))
    await work(runtime)
    before = await everything(database)

    assert await settle_lapsed(runtime) == 0
    assert gateway.lookups == []
    assert await everything(database) == before


async def test_two_concurrent_settlements_ask_once(database: Database) -> None:
    gateway = FakeGateway(answer=mute, find=arrived)
    runtime = runtime_of(database, Clock(), gateway)
    message_id = await load(database, people(30, call))
    await work(runtime)

    assert (
        sum(await asyncio.gather(settle(runtime), *(settle_lapsed(runtime) for _ in range(3))))
        == 30
    )
    assert len(gateway.lookups) == 30
    assert await statuses(database, message_id) == {"DELIVERED": 30}
    await recount(database)


async def test_one_failed_look_up_does_not_block_the_others(
    database: Database,
) -> None:
    def find(handover: Handover) -> Finding:
        if handover.key.endswith(".0.0"):
            raise RuntimeError("a bug")
        return arrived(handover)

    gateway = FakeGateway(answer=mute, find=find)
    runtime = runtime_of(database, Clock(), gateway)
    message_id = await load(database, people(3, call))
    await work(runtime)

    await settle(runtime)

    assert [row.status for row in await deliveries(database, message_id)] == [
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
    database: Database, device: object, find: object, stands: str
) -> None:
    clock = Clock()
    gateway = FakeGateway(answer=mute, find=find)  # type: ignore[arg-type]
    runtime = runtime_of(database, clock, gateway)
    message_id = await load(database, people(1, device))  # type: ignore[arg-type]
    await work(runtime)
    async with database.writing() as connection:
        await cancel.cancel(
            connection,
            message_id,
            database=database,
            by_id="u",
            by_name="U",
            reason=None,
            now=clock.now,
        )

    await settle(runtime)
    clock.advance(hours=1)
    await work(runtime)

    assert await statuses(database, message_id) == {stands: 1}
    assert len(gateway.given) == 1
    await recount(database)


async def test_a_process_that_returns_after_its_claim_was_settled_changes_nothing(
    database: Database,
) -> None:
    clock = Clock()
    message_id = await load(database, people(1, call))
    other = runtime_of(database, clock, FakeGateway(find=cannot_tell))

    async def settled() -> None:
        await settle(other)

    await work(runtime_of(database, clock, FakeGateway(answer=mute, meanwhile=settled)))

    row = await one(database, message_id)
    assert (row.status, row.call_status, row.claim) == (DeliveryStatus.FAILED, -5, None)
    assert [event.source for event in await events(database, row.key)] == [EventSource.TIMEOUT]
    await recount(database)


async def test_claims_of_many_messages_are_settled_in_one_round(database: Database) -> None:
    gateway = FakeGateway(answer=mute, find=arrived)
    runtime = runtime_of(database, Clock(), {DeliveryMode.VOICE: gateway})
    ids = [await load(database, people(2, call), id=f"M-{number}") for number in range(4)]
    await work(runtime)

    assert await settle(runtime) == 8
    assert [await status(database, message_id) for message_id in ids] == [MessageStatus.SENT] * 4
    await recount(database)


async def test_a_message_that_cannot_be_settled_does_not_block_others(database: Database) -> None:
    clock = Clock()
    runtime = runtime_of(database, clock, FakeGateway(answer=mute, find=cannot_tell))
    broken = await load(database, people(1, call), id="M-1")
    other = await load(database, people(1, call), id="M-2")
    await work(runtime)

    def fail(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith("SELECT message.subject") and broken in _values(parameters):
            raise RuntimeError("a message that cannot be read")

    event.listen(database.engine.sync_engine, "before_cursor_execute", fail)
    await settle(runtime)
    event.remove(database.engine.sync_engine, "before_cursor_execute", fail)

    assert await statuses(database, broken) == {"IN_PROGRESS": 1}
    assert await statuses(database, other) == {"FAILED": 1}
    await settle(runtime)
    assert await statuses(database, broken) == {"FAILED": 1}
    await recount(database)


def _values(parameters: object) -> list[object]:
    """Return the parameters of a statement, named or positional."""
    if isinstance(parameters, dict):
        return list(parameters.values())
    return list(parameters) if isinstance(parameters, tuple | list) else []
