"""The promise: all work is found in the rows, and none is done twice."""

import asyncio
from datetime import timedelta

import pytest

from db.dispatch import provider_rate
from delivery.dispatch.due_work import Job, find_jobs, start_due
from delivery.dispatch.handover import hand_over
from delivery.dispatch.provider_rate import LONGEST_WAIT
from delivery.dispatch.runtime import Runtime
from delivery.gateways.base import Accepted, Handover, NotAccepted, Outcome
from delivery.gateways.port import Gateway
from delivery.receipts.receipts import apply_receipts
from domain.receipts import Receipt
from domain.status import DeliveryMode, DeliveryStatus, EventSource, MessageStatus
from tests.delivery.world import FakeGateway, World, call, mail, people, text_to
from tests.log import NOON


def delivered(handover: Handover) -> Outcome:
    return Accepted("R", DeliveryStatus.DELIVERED, 5)


# Start


async def test_a_message_begins_at_its_time_and_not_before(world: World) -> None:
    message_id = await world.load(people(1, call), scheduled_at=NOON + timedelta(minutes=1))

    world.clock.advance(seconds=59)
    assert await start_due(world.runtime) == 0
    assert await find_jobs(world.runtime) == []
    assert await world.status(message_id) is MessageStatus.WAITING

    world.clock.advance(seconds=1)
    assert await start_due(world.runtime) == 1
    assert await world.status(message_id) is MessageStatus.IN_PROGRESS
    assert await find_jobs(world.runtime) == [Job(message_id, 0)]
    assert await start_due(world.runtime) == 0


async def test_a_message_without_deliveries_is_sent_at_its_time(world: World) -> None:
    message_id = await world.load(people(2), scheduled_at=NOON + timedelta(minutes=1))

    world.clock.advance(minutes=1)
    await start_due(world.runtime)

    assert await world.status(message_id) is MessageStatus.SENT
    await world.recount()


async def test_concurrent_rounds_start_a_message_once(world: World) -> None:
    for number in range(3):
        scheduled_at = NOON + timedelta(minutes=1)
        await world.load(people(1, call), id=f"M-{number}", scheduled_at=scheduled_at)
    world.clock.advance(minutes=1)

    assert sum(await asyncio.gather(*(start_due(world.runtime) for _ in range(4)))) == 3
    await world.recount()


# Jobs


async def test_the_chunks_with_something_due_are_jobs_and_no_others(world: World) -> None:
    world.use(FakeGateway(batch=500))
    message_id = await world.load(people(1100, call))

    assert await find_jobs(world.runtime) == [
        Job(message_id, 0),
        Job(message_id, 1),
        Job(message_id, 2),
    ]
    await hand_over(world.runtime, message_id, 1)
    assert await find_jobs(world.runtime) == [Job(message_id, 0), Job(message_id, 2)]
    await world.work()
    assert await find_jobs(world.runtime) == []


async def test_messages_take_turns(world: World) -> None:
    large = await world.load(people(1100, call))
    small = await world.load(people(1, call), id="M-2")

    assert await find_jobs(world.runtime) == [
        Job(large, 0),
        Job(small, 0),
        Job(large, 1),
        Job(large, 2),
    ]


async def test_a_delivery_with_a_later_retry_is_no_job_before(world: World) -> None:
    world.use(FakeGateway(answer=lambda _: NotAccepted("busy")))
    message_id = await world.load(people(1, mail))
    await world.work()

    assert await find_jobs(world.runtime) == []
    world.clock.advance(seconds=5)
    assert await find_jobs(world.runtime) == [Job(message_id, 0)]


async def test_a_mode_without_a_gateway_or_outside_its_call_window_is_no_job(world: World) -> None:
    voice: dict[DeliveryMode, Gateway] = {DeliveryMode.VOICE: FakeGateway()}
    message_id = await world.load(people(1, call, mail), call_window=("08:00", "20:00"))

    assert await find_jobs(world.runtime_of(voice)) == [Job(message_id, 0)]
    world.clock.advance(hours=12)
    assert await find_jobs(world.runtime_of(voice)) == []
    world.clock.advance(hours=12)
    assert await find_jobs(world.runtime_of(voice)) == [Job(message_id, 0)]


async def test_a_chunk_whose_only_pending_deliveries_are_duplicates_is_no_job(world: World) -> None:
    class Half(FakeGateway):
        modes = frozenset({DeliveryMode.VOICE})

    world.use(Half())
    same = call(0)
    message_id = await world.load([*people(1, lambda _: same), *people(2, lambda _: same)])

    assert await find_jobs(world.runtime) == [Job(message_id, 0)]
    await world.work()
    assert await find_jobs(world.runtime) == []


# The providers' time limit


async def test_a_message_whose_calls_are_open_after_the_providers_time_is_an_error(
    world: World,
) -> None:
    message_id = await world.load(people(2, call))
    await world.work()

    world.clock.advance(minutes=59, seconds=59)
    await find_jobs(world.runtime)
    assert await world.status(message_id) is MessageStatus.IN_PROGRESS

    world.clock.advance(seconds=1)
    await find_jobs(world.runtime)
    assert await world.status(message_id) is MessageStatus.ERROR
    before = await world.everything()
    await find_jobs(world.runtime)
    assert await world.everything() == before, "it says so once"


async def test_a_receipt_that_comes_after_the_error_makes_the_message_sent(world: World) -> None:
    message_id = await world.load(people(2, call))
    await world.work()
    world.clock.advance(hours=2)
    await find_jobs(world.runtime)

    for person in range(2):
        assert await world.status(message_id) is MessageStatus.ERROR
        receipt = Receipt(
            world.clock.now, DeliveryStatus.DELIVERED, 5, key=f"{message_id}.{person}.0"
        )
        await apply_receipts(
            world.database, "fake", [receipt], source=EventSource.CALLBACK, now=world.clock.now
        )

    assert await world.status(message_id) is MessageStatus.SENT
    await world.recount()


@pytest.mark.parametrize("device", [call, text_to, mail])
async def test_only_open_calls_and_texts_make_a_message_an_error(
    world: World, device: object
) -> None:
    message_id = await world.load(people(1, device))  # type: ignore[arg-type]
    await world.work()

    world.clock.advance(hours=2)
    await find_jobs(world.runtime)

    assert await world.status(message_id) is (
        MessageStatus.IN_PROGRESS if device is mail else MessageStatus.ERROR
    )


async def test_a_call_outside_its_window_does_not_make_the_message_an_error(world: World) -> None:
    world.clock.now = NOON + timedelta(hours=7, minutes=59, seconds=59)

    async def a_second() -> None:
        world.clock.advance(seconds=1)

    world.use(FakeGateway(answer=delivered, batch=1, meanwhile=a_second))
    message_id = await world.load(people(2, call), call_window=("08:00", "20:00"))
    await world.work()
    assert await world.statuses(message_id) == {"DELIVERED": 1, "PENDING": 1}

    world.clock.advance(hours=2)
    await find_jobs(world.runtime)
    assert await world.status(message_id) is MessageStatus.IN_PROGRESS


async def test_deliveries_of_a_provider_on_hold_are_no_jobs_and_others_are(world: World) -> None:
    class Other(FakeGateway):
        name = "other"

    runtime = world.runtime_of({DeliveryMode.VOICE: FakeGateway(), DeliveryMode.EMAIL: Other()})
    calls = await world.load(people(1, call))
    mails = await world.load(people(1, mail), id="M-2")
    async with world.database.writing() as connection:
        await provider_rate.hold(connection, "fake", pause=timedelta(minutes=5))

    assert await find_jobs(runtime) == [Job(mails, 0)]
    await world.let_go()
    assert await find_jobs(runtime) == [Job(calls, 0), Job(mails, 0)]


@pytest.mark.parametrize(("taken_for", "is_job"), [(LONGEST_WAIT, True), (2 * LONGEST_WAIT, False)])
async def test_a_job_waits_for_a_rate_limit_unless_the_wait_is_too_long(
    world: World, taken_for: timedelta, is_job: bool
) -> None:
    world.use(FakeGateway(per_second=1))
    message_id = await world.load(people(1, call))
    async with world.database.writing() as connection:
        await provider_rate.reserve(
            connection,
            "fake",
            handovers=int(taken_for.total_seconds()),
            per_second=1,
            longest=timedelta(),
        )

    assert await find_jobs(world.runtime) == [Job(message_id, 0)] * is_job


async def test_a_message_with_all_outcomes_is_not_examined_again(world: World) -> None:
    runtime: Runtime = world.runtime_of(FakeGateway(answer=delivered))
    message_id = await world.load(people(1, call))
    await world.work(runtime)
    before = await world.everything()

    world.clock.advance(days=1)
    assert await find_jobs(runtime) == []
    assert (await world.one(message_id)).status is DeliveryStatus.DELIVERED
    assert await world.everything() == before
