"""The promise: a due delivery is handed over once, by the process that claimed it, and only after the claim is in the log."""

import asyncio
import itertools
from collections import Counter
from datetime import UTC, datetime

import pytest
from sqlalchemy.event import listen

from db.dispatch import in_flight
from db.log.deliveries import DeliveryKey
from delivery.dispatch.handover import hand_over
from delivery.gateways.base import Accepted, Consent, Handover, NotAccepted, Outcome
from delivery.gateways.inbox import InboxGateway
from delivery.receipts.receipts import store_consents
from domain.status import DeliveryMode, DeliveryStatus, EventSource, MessageStatus
from tests import log
from tests.delivery.world import FakeGateway, World, call, mail, number_of, people, text_to
from tests.log import NOON

VOICE = DeliveryMode.VOICE


def busy(handover: Handover) -> Outcome:
    return NotAccepted("busy")


# Once


async def test_each_delivery_is_handed_over_once_in_repeated_runs_of_its_chunk(
    world: World,
) -> None:
    message_id = await world.load(people(7, call, text_to))

    assert await world.work() == 14
    assert await hand_over(world.runtime, message_id, 0) == 0
    assert await world.work() == 0
    assert Counter(world.gateway.keys) == Counter(
        f"{message_id}.{person}.{device}" for person in range(7) for device in range(2)
    )
    await world.recount()


async def test_concurrent_workers_share_a_chunk(world: World) -> None:
    gateway = world.use(FakeGateway(batch=7))
    message_id = await world.load(people(100, call))

    handed = await asyncio.gather(*(hand_over(world.runtime, message_id, 0) for _ in range(5)))

    assert sum(handed) == 100
    assert len(gateway.keys) == len(set(gateway.keys)) == 100
    await world.recount()


async def test_a_duplicate_is_never_sent_and_has_the_status_of_the_first(world: World) -> None:
    gateway = world.use(FakeGateway(answer=lambda _: Accepted("R", DeliveryStatus.DELIVERED, 5)))
    shared = log.voice(number_of(1))
    message_id = await world.load(
        [log.recipient("p1", shared), log.recipient("p2", shared, shared)]
    )

    await world.work()

    assert gateway.keys == [f"{message_id}.0.0"]
    assert [(d.status, d.call_status, d.attempts) for d in await world.deliveries(message_id)] == [
        (DeliveryStatus.DELIVERED, 5, 1),
        (DeliveryStatus.DELIVERED, 5, 0),
        (DeliveryStatus.DELIVERED, 5, 0),
    ]
    assert (await world.message(message_id)).people_contacted == 2
    await world.recount()


async def test_an_inbox_delivery_and_its_claim_are_one_transaction(world: World) -> None:
    message_id = await world.load(people(3, lambda person: log.inbox(f"account{person}")))

    assert await world.work({DeliveryMode.INBOX: InboxGateway()}) == 3

    row = (await world.deliveries(message_id))[0]
    assert (row.status, row.claim, row.attempts, row.at) == (DeliveryStatus.SENT, None, 1, NOON)
    assert await world.status(message_id) is MessageStatus.SENT
    assert [e.source for e in await world.events(row.key)] == [EventSource.DISPATCH]
    await world.recount()


async def test_recorded_messages_are_never_handed_over(world: World) -> None:
    voice = log.voice(status=DeliveryStatus.PENDING)
    await log.load(
        world.database,
        log.district(),
        log.message(
            recipients=[log.recipient("p1", voice)], school=None, status=MessageStatus.IN_PROGRESS
        ),
    )
    before = await world.everything()

    assert await world.work() == 0
    assert await hand_over(world.runtime, 1, 0) == 0
    assert world.gateway.given == []
    assert await world.everything() == before


# Gateways, call windows and rate limits


@pytest.mark.parametrize(
    ("now", "called"),
    [
        (datetime(2020, 1, 31, 13, 59, tzinfo=UTC), False),
        (datetime(2020, 1, 31, 14, 0, tzinfo=UTC), True),
        (datetime(2020, 2, 1, 1, 59, tzinfo=UTC), True),
        (datetime(2020, 2, 1, 2, 0, tzinfo=UTC), False),
    ],
    ids=["before eight", "at eight", "before eight in the evening", "at eight in the evening"],
)
async def test_calls_keep_to_the_window_of_the_district_and_nothing_else_does(
    world: World, now: datetime, called: bool
) -> None:
    world.clock.now = now
    message_id = await world.load(
        people(1, call, text_to, mail),
        call_window=("08:00", "20:00"),
        scheduled_at=now,
        now=now,
    )

    await world.work()

    assert {handover.mode for handover in world.gateway.given} == {
        DeliveryMode.TEXT,
        DeliveryMode.EMAIL,
    } | ({VOICE} if called else set())
    assert (await world.deliveries(message_id))[0].status is (
        DeliveryStatus.IN_PROGRESS if called else DeliveryStatus.PENDING
    )
    await world.recount()


async def test_no_call_is_placed_after_the_window_closes_in_the_middle_of_a_chunk(
    world: World,
) -> None:
    world.clock.now = datetime(2020, 2, 1, 1, 59, tzinfo=UTC)

    async def a_minute() -> None:
        world.clock.advance(minutes=1)

    gateway = world.use(FakeGateway(batch=2, meanwhile=a_minute))
    message_id = await world.load(
        people(5, call),
        call_window=("08:00", "20:00"),
        scheduled_at=world.clock.now,
        now=world.clock.now,
    )

    await world.work()

    assert len(gateway.given) == 2
    assert await world.statuses(message_id) == {"IN_PROGRESS": 2, "PENDING": 3}


async def test_a_number_that_opted_out_gets_no_texts_and_is_still_called(world: World) -> None:
    message_id = await world.load(people(2, call, text_to))
    async with world.database.writing() as connection:
        await store_consents(connection, [Consent(NOON, number_of(1), True)])

    await world.work()

    assert [(h.mode, h.address) for h in world.gateway.given] == [
        (VOICE, number_of(0)),
        (DeliveryMode.TEXT, number_of(0)),
        (VOICE, number_of(1)),
    ]
    silent = (await world.deliveries(message_id))[3]
    assert (silent.status, silent.call_status) == (DeliveryStatus.OPTED_OUT, -33)
    await world.recount()


async def test_a_mode_without_a_gateway_stays_pending(world: World) -> None:
    message_id = await world.load(people(2, call, mail))

    await world.work({VOICE: world.gateway})

    assert {h.mode for h in world.gateway.given} == {VOICE}
    assert await world.statuses(message_id) == {"IN_PROGRESS": 2, "PENDING": 2}
    assert await world.status(message_id) is MessageStatus.IN_PROGRESS


async def test_a_district_with_its_own_gateway_uses_it(world: World) -> None:
    of_house, of_district = FakeGateway(), FakeGateway()
    await world.load(people(1, call, text_to))
    runtime = world.runtime_of(
        of_house, of_district={"plainview": {VOICE: of_district}, "other": {}}
    )

    await world.work(runtime)

    assert [h.mode for h in of_district.given] == [VOICE]
    assert [h.mode for h in of_house.given] == [DeliveryMode.TEXT]


async def test_one_transaction_claims_at_most_a_batch_of_the_gateway(world: World) -> None:
    gateway = world.use(FakeGateway(batch=40))
    await world.load(people(100, call))

    await world.work()

    assert gateway.waves == [40, 40, 20]


async def test_a_provider_is_used_within_its_rate_limit(world: World) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    gateway = FakeGateway(per_second=0.5)
    await world.load(people(5, call))

    await world.work(world.runtime_of(gateway, sleep=sleep))

    assert gateway.waves == [1, 1, 1, 1, 1]
    # A place every two seconds; nobody has really waited, so each wait is that much longer.
    assert waits == pytest.approx([2, 4, 6, 8], abs=1)


async def test_a_wave_uses_at_most_250_ms_of_a_rate_limit(world: World) -> None:
    gateway = world.use(FakeGateway(per_second=40))
    await world.load(people(25, call))

    await world.work()

    assert gateway.waves == [10, 10, 5]


# Cancel


async def test_nothing_is_claimed_after_a_cancel_and_earlier_claims_are_recorded(
    world: World,
) -> None:
    message_id = await world.load(people(6, call))

    async def canceled() -> None:
        await world.cancel(message_id)

    gateway = world.use(FakeGateway(batch=2, meanwhile=canceled))
    await world.work()

    assert gateway.keys == [f"{message_id}.0.0", f"{message_id}.1.0"]
    assert await world.statuses(message_id) == {"IN_PROGRESS": 2, "PENDING": 4}
    assert (await world.deliveries(message_id))[0].reference is not None
    assert await world.status(message_id) is MessageStatus.CANCELED_IN_PROGRESS
    await world.recount()


# Effects on the message and the database


async def test_the_revision_grows_with_each_visible_change_only(world: World) -> None:
    message_id = await world.load(people(1, call))
    before = (await world.message(message_id)).revision

    await world.work()
    after = (await world.message(message_id)).revision
    assert after == before + 2  # handed over, accepted

    await world.work()
    assert (await world.message(message_id)).revision == after


async def test_no_database_connection_is_held_during_a_request_to_a_provider(world: World) -> None:
    held: list[int] = []

    async def look() -> None:
        held.append(world.database.engine.pool.checkedout())  # type: ignore[attr-defined]

    await world.load(people(1, call))
    await world.work(FakeGateway(meanwhile=look))

    assert held == [0]


async def test_tasks_of_one_process_wait_for_a_message_without_a_connection(world: World) -> None:
    """With one connection each, suspended tasks would get the message's lock one after the other."""
    gateway = world.use(FakeGateway(batch=10))
    message_id = await world.load(people(100, call))
    all_have_read = asyncio.Event()
    given_back = itertools.count(1)

    def give_back(*_: object) -> None:
        if next(given_back) == 8:
            all_have_read.set()

    listen(world.database.engine.sync_engine, "checkin", give_back)
    turn = world.runtime.turns.setdefault(message_id, asyncio.Lock())
    async with turn, asyncio.timeout(30):
        tasks = [asyncio.create_task(hand_over(world.runtime, message_id, 0)) for _ in range(8)]
        await all_have_read.wait()
        while world.database.engine.pool.checkedout():  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0)  # the last are being closed: more than the pool keeps
        for _ in range(10):
            await asyncio.sleep(0)
        assert world.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        assert gateway.given == []

    assert sum(await asyncio.gather(*tasks)) == 100
    assert len(gateway.keys) == len(set(gateway.keys))
    await world.recount()


async def test_a_missing_message_is_no_work(world: World) -> None:
    assert await hand_over(world.runtime, 4711, 0) == 0


async def test_a_delivery_has_the_same_key_in_each_attempt(world: World) -> None:
    gateway = world.use(FakeGateway(answer=busy))
    message_id = await world.load(people(1, mail))

    await world.work()
    world.clock.advance(minutes=1)
    await world.work()

    assert [(h.key, h.attempt) for h in gateway.given] == [
        (f"{message_id}.0.0", 1),
        (f"{message_id}.0.0", 2),
    ]
    async with world.database.reading() as connection:
        (row,) = await in_flight.by_key(connection, [DeliveryKey(message_id, 0, 0)])
    assert row.attempts == 2
