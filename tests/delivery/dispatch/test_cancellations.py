"""The promise: pending deliveries of a canceled message are canceled, also if the canceling process died."""

from datetime import timedelta

from db.connect.database import Database
from db.dispatch import cancel
from delivery.dispatch import due_work
from delivery.dispatch.due_work import Job, find_jobs, run_job
from delivery.dispatch.handover import hand_over
from delivery.gateways.base import Accepted, Handover, NotAccepted, Outcome
from delivery.receipts.receipts import apply_receipts
from domain.receipts import Receipt
from domain.status import DeliveryMode, DeliveryStatus, EventSource, MessageStatus
from tests.delivery.world import FakeGateway, World, call, mail, people
from tests.log import NOON


def delivered(handover: Handover) -> Outcome:
    return Accepted("R", DeliveryStatus.DELIVERED, 5)


async def stop(database: Database, message_id: int) -> None:
    async with database.writing() as connection:
        await cancel.cancel(
            connection,
            message_id,
            database=database,
            by_id="u1",
            by_name="A",
            reason="oops",
            now=NOON,
        )


async def test_a_message_that_was_canceled_before_its_time_never_begins(world: World) -> None:
    message_id = await world.load(people(2, call), scheduled_at=NOON + timedelta(minutes=1))
    await stop(world.database, message_id)

    world.clock.advance(minutes=1)
    await world.work()

    assert world.gateway.given == []
    assert await world.status(message_id) is MessageStatus.CANCELED
    assert await world.statuses(message_id) == {"CANCELED": 2}
    await world.recount()


async def test_pending_deliveries_of_a_canceled_message_are_marked_as_canceled(
    world: World,
) -> None:
    world.use(FakeGateway(answer=lambda _: NotAccepted("busy")))
    message_id = await world.load(people(3, call, mail))
    await world.work({DeliveryMode.VOICE: FakeGateway(answer=delivered)})
    await world.work()
    await stop(world.database, message_id)

    await world.work()

    assert await world.statuses(message_id) == {"DELIVERED": 3, "CANCELED": 3}
    stopped = (await world.deliveries(message_id))[1]
    assert (stopped.at, stopped.due_at) == (NOON, None)
    assert (await world.events(stopped.key))[-1].source is EventSource.CANCEL
    assert await world.columns_of(
        "select stopped, already_sent from cancellation where completed_at is not null"
    ) == [(3, 3)]
    await world.recount()


async def test_a_round_finishes_a_cancellation_whose_process_died(world: World) -> None:
    message_id = await world.load(people(1100, call))
    await stop(world.database, message_id)

    jobs = await find_jobs(world.runtime)
    assert jobs == [Job(message_id, 0), Job(message_id, 1), Job(message_id, 2)]
    assert [await run_job(world.runtime, job) for job in jobs] == [500, 500, 100]

    assert await world.statuses(message_id) == {"CANCELED": 1100}
    assert await find_jobs(world.runtime) == []
    await world.recount()


async def test_a_large_cancellation_and_what_is_to_be_sent_take_turns(world: World) -> None:
    large = await world.load(people(1100, call))
    await stop(world.database, large)
    small = await world.load(people(1, call), id="M-2")

    first, second, *_ = jobs = await find_jobs(world.runtime)
    await run_job(world.runtime, first)
    await run_job(world.runtime, second)

    assert jobs == [Job(large, 0), Job(small, 0), Job(large, 1), Job(large, 2)]
    assert world.gateway.keys == [f"{small}.0.0"]
    assert await world.statuses(large) == {"CANCELED": 500, "PENDING": 600}
    await world.recount()


async def test_a_cancellation_is_complete_when_the_last_delivery_in_flight_has_its_outcome(
    world: World,
) -> None:
    world.use(FakeGateway(batch=1))
    message_id = await world.load(people(2, call))
    await hand_over(world.runtime, message_id, 0)
    await stop(world.database, message_id)
    await world.work()
    complete = "select completed_at from cancellation where completed_at is not null"
    assert await world.columns_of(complete) == []

    for person in range(2):
        receipt = Receipt(
            world.clock.now, DeliveryStatus.DELIVERED, 5, key=f"{message_id}.{person}.0"
        )
        await apply_receipts(
            world.database, "fake", [receipt], source=EventSource.CALLBACK, now=world.clock.now
        )

    assert len(await world.columns_of(complete)) == 1
    assert await world.status(message_id) is MessageStatus.CANCELED_IN_PROGRESS
    await world.recount()


async def test_the_rows_of_a_message_that_was_not_canceled_are_not_stopped(world: World) -> None:
    message_id = await world.load(people(2, call))
    before = await world.everything()

    assert await due_work.stop(world.runtime, Job(message_id, 0)) == 0

    assert await world.everything() == before


async def test_a_duplicate_is_canceled_with_its_first_delivery(world: World) -> None:
    same = call(0)
    message_id = await world.load(people(3, lambda _: same))
    await stop(world.database, message_id)

    await world.work()

    assert await world.statuses(message_id) == {"CANCELED": 3}
    assert await world.columns_of("select stopped, already_sent from cancellation") == [(1, 0)]
    await world.recount()
