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
from tests.delivery.world import (
    Clock,
    FakeGateway,
    call,
    columns_of,
    deliveries,
    events,
    everything,
    load,
    mail,
    people,
    recount,
    runtime_of,
    status,
    statuses,
    work,
)
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


async def test_a_message_that_was_canceled_before_its_time_never_begins(
    database: Database,
) -> None:
    clock = Clock()
    gateway = FakeGateway()
    message_id = await load(database, people(2, call), scheduled_at=NOON + timedelta(minutes=1))
    await stop(database, message_id)

    clock.advance(minutes=1)
    await work(runtime_of(database, clock, gateway))

    assert gateway.given == []
    assert await status(database, message_id) is MessageStatus.CANCELED
    assert await statuses(database, message_id) == {"CANCELED": 2}
    await recount(database)


async def test_pending_deliveries_of_a_canceled_message_are_marked_as_canceled(
    database: Database,
) -> None:
    clock = Clock()
    runtime = runtime_of(database, clock, FakeGateway(answer=lambda _: NotAccepted("busy")))
    message_id = await load(database, people(3, call, mail))
    await work(runtime_of(database, clock, {DeliveryMode.VOICE: FakeGateway(answer=delivered)}))
    await work(runtime)
    await stop(database, message_id)

    await work(runtime)

    assert await statuses(database, message_id) == {"DELIVERED": 3, "CANCELED": 3}
    stopped = (await deliveries(database, message_id))[1]
    assert (stopped.at, stopped.due_at) == (NOON, None)
    assert (await events(database, stopped.key))[-1].source is EventSource.CANCEL
    assert await columns_of(
        database, "select stopped, already_sent from cancellation where completed_at is not null"
    ) == [(3, 3)]
    await recount(database)


async def test_a_round_finishes_a_cancellation_whose_process_died(database: Database) -> None:
    runtime = runtime_of(database, Clock(), FakeGateway())
    message_id = await load(database, people(1100, call))
    await stop(database, message_id)

    jobs = await find_jobs(runtime)
    assert jobs == [Job(message_id, 0), Job(message_id, 1), Job(message_id, 2)]
    assert [await run_job(runtime, job) for job in jobs] == [500, 500, 100]

    assert await statuses(database, message_id) == {"CANCELED": 1100}
    assert await find_jobs(runtime) == []
    await recount(database)


async def test_a_large_cancellation_and_what_is_to_be_sent_take_turns(database: Database) -> None:
    gateway = FakeGateway()
    runtime = runtime_of(database, Clock(), gateway)
    large = await load(database, people(1100, call))
    await stop(database, large)
    small = await load(database, people(1, call), id="M-2")

    first, second, *_ = jobs = await find_jobs(runtime)
    await run_job(runtime, first)
    await run_job(runtime, second)

    assert jobs == [Job(large, 0), Job(small, 0), Job(large, 1), Job(large, 2)]
    assert gateway.keys == [f"{small}.0.0"]
    assert await statuses(database, large) == {"CANCELED": 500, "PENDING": 600}
    await recount(database)


async def test_a_cancellation_is_complete_when_the_last_delivery_in_flight_has_its_outcome(
    database: Database,
) -> None:
    clock = Clock()
    runtime = runtime_of(database, clock, FakeGateway(batch=1))
    message_id = await load(database, people(2, call))
    await hand_over(runtime_of(database, clock, FakeGateway()), message_id, 0)
    await stop(database, message_id)
    await work(runtime)
    complete = "select completed_at from cancellation where completed_at is not null"
    assert await columns_of(database, complete) == []

    for person in range(2):
        receipt = Receipt(clock.now, DeliveryStatus.DELIVERED, 5, key=f"{message_id}.{person}.0")
        await apply_receipts(
            database, "fake", [receipt], source=EventSource.CALLBACK, now=clock.now
        )

    assert len(await columns_of(database, complete)) == 1
    assert await status(database, message_id) is MessageStatus.CANCELED_IN_PROGRESS
    await recount(database)


async def test_the_rows_of_a_message_that_was_not_canceled_are_not_stopped(
    database: Database,
) -> None:
    runtime = runtime_of(database, Clock(), FakeGateway())
    message_id = await load(database, people(2, call))
    before = await everything(database)

    assert await due_work.stop(runtime, Job(message_id, 0)) == 0

    assert await everything(database) == before


async def test_a_duplicate_is_canceled_with_its_first_delivery(database: Database) -> None:
    same = call(0)
    runtime = runtime_of(database, Clock(), FakeGateway())
    message_id = await load(database, people(3, lambda _: same))
    await stop(database, message_id)

    await work(runtime)

    assert await statuses(database, message_id) == {"CANCELED": 3}
    assert await columns_of(database, "select stopped, already_sent from cancellation") == [(1, 0)]
    await recount(database)
