"""The promise: a due delivery is handed over once, by the process that claimed it, and only after the claim is in the log."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.event import listen
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import after_commits, reading, writing
from db.dispatch import cancel, in_flight
from db.log.deliveries import DeliveryKey
from delivery.dispatch.handover import hand_over
from delivery.dispatch.provider_rate import DOWN_FROM
from delivery.dispatch.resend import resend
from delivery.gateways.base import (
    Accepted,
    CannotTell,
    Handover,
    NotAccepted,
    NotAtProvider,
    Outcome,
    Refused,
    Unsure,
)
from delivery.gateways.gate import Passage
from delivery.gateways.inbox import InboxGateway
from delivery.receipts.receipts import take_in
from domain.receipts import Receipt
from domain.status import DeliveryMode, DeliveryStatus, EventSource, MessageStatus
from resolvers.request.process import to_nobody
from tests import log
from tests.delivery.world import (
    ALL_MODES,
    Clock,
    FakeGateway,
    call,
    deliveries,
    events,
    everything,
    let_go,
    load,
    mail,
    message,
    number_of,
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

VOICE = DeliveryMode.VOICE


def refuse(handover: Handover) -> Outcome:
    return Refused("no such number", code=-2)


def busy(handover: Handover) -> Outcome:
    return NotAccepted("busy")


def mute(handover: Handover) -> Outcome:
    return Unsure("no answer")


# Once


async def test_each_delivery_is_handed_over_once_in_repeated_runs_of_its_chunk(
    engine: AsyncEngine,
) -> None:
    gateway = FakeGateway()
    runtime = runtime_of(engine, Clock(), gateway)
    message_id = await load(engine, people(7, call, text_to))

    assert await work(runtime) == 14
    assert await hand_over(runtime, message_id, 0) == 0
    assert await work(runtime) == 0
    assert Counter(gateway.keys) == Counter(
        f"{message_id}.{person}.{device}" for person in range(7) for device in range(2)
    )
    await recount(engine)


async def test_concurrent_workers_share_a_chunk(engine: AsyncEngine) -> None:
    gateway = FakeGateway(batch=7)
    runtime = runtime_of(engine, Clock(), gateway)
    message_id = await load(engine, people(100, call))

    handed = await asyncio.gather(*(hand_over(runtime, message_id, 0) for _ in range(5)))

    assert sum(handed) == 100
    assert len(gateway.keys) == len(set(gateway.keys)) == 100
    await recount(engine)


async def test_a_duplicate_is_never_sent_and_has_the_status_of_the_first(
    engine: AsyncEngine,
) -> None:
    gateway = FakeGateway(answer=lambda _: Accepted("R", DeliveryStatus.DELIVERED, 5))
    shared = log.voice(number_of(1))
    message_id = await load(
        engine, [log.recipient("p1", shared), log.recipient("p2", shared, shared)]
    )

    await work(runtime_of(engine, Clock(), gateway))

    assert gateway.keys == [f"{message_id}.0.0"]
    assert [
        (d.status, d.call_status, d.attempts) for d in await deliveries(engine, message_id)
    ] == [
        (DeliveryStatus.DELIVERED, 5, 1),
        (DeliveryStatus.DELIVERED, 5, 0),
        (DeliveryStatus.DELIVERED, 5, 0),
    ]
    assert (await message(engine, message_id)).people_contacted == 2
    await recount(engine)


async def test_an_inbox_delivery_and_its_claim_are_one_transaction(
    engine: AsyncEngine,
) -> None:
    message_id = await load(engine, people(3, lambda person: log.inbox(f"account{person}")))

    assert await work(runtime_of(engine, Clock(), {DeliveryMode.INBOX: InboxGateway()})) == 3

    row = (await deliveries(engine, message_id))[0]
    assert (row.status, row.claim, row.attempts, row.at) == (DeliveryStatus.SENT, None, 1, NOON)
    assert await status(engine, message_id) is MessageStatus.SENT
    assert [e.source for e in await events(engine, row.key)] == [EventSource.DISPATCH]
    await recount(engine)


async def test_recorded_messages_are_never_handed_over(engine: AsyncEngine) -> None:
    gateway = FakeGateway()
    voice = log.voice(status=DeliveryStatus.PENDING)
    await log.load(
        engine,
        log.district(),
        log.message(
            recipients=[log.recipient("p1", voice)], school=None, status=MessageStatus.IN_PROGRESS
        ),
    )
    before = await everything(engine)

    assert await work(runtime_of(engine, Clock(), gateway)) == 0
    assert await hand_over(runtime_of(engine, Clock(), gateway), 1, 0) == 0
    assert gateway.given == []
    assert await everything(engine) == before


# When, and through whom


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
    engine: AsyncEngine, now: datetime, called: bool
) -> None:
    gateway = FakeGateway()
    clock = Clock(now)
    message_id = await load(
        engine,
        people(1, call, text_to, mail),
        call_window=("08:00", "20:00"),
        scheduled_at=now,
        now=now,
    )

    await work(runtime_of(engine, clock, gateway))

    assert {handover.mode for handover in gateway.given} == {
        DeliveryMode.TEXT,
        DeliveryMode.EMAIL,
    } | ({VOICE} if called else set())
    assert (await deliveries(engine, message_id))[0].status is (
        DeliveryStatus.IN_PROGRESS if called else DeliveryStatus.PENDING
    )
    await recount(engine)


async def test_no_call_is_placed_after_the_window_closes_in_the_middle_of_a_chunk(
    engine: AsyncEngine,
) -> None:
    clock = Clock(datetime(2020, 2, 1, 1, 59, tzinfo=UTC))

    async def a_minute() -> None:
        clock.advance(minutes=1)

    gateway = FakeGateway(batch=2, meanwhile=a_minute)
    message_id = await load(
        engine,
        people(5, call),
        call_window=("08:00", "20:00"),
        scheduled_at=clock.now,
        now=clock.now,
    )

    await work(runtime_of(engine, clock, gateway))

    assert len(gateway.given) == 2
    assert await statuses(engine, message_id) == {"IN_PROGRESS": 2, "PENDING": 3}


async def test_a_number_that_opted_out_gets_no_texts_and_is_still_called(
    engine: AsyncEngine,
) -> None:
    gateway = FakeGateway()
    message_id = await load(engine, people(2, call, text_to))
    async with writing(engine) as connection:
        await in_flight.set_opted_out(connection, number_of(1), NOON)

    await work(runtime_of(engine, Clock(), gateway))

    assert [(h.mode, h.address) for h in gateway.given] == [
        (VOICE, number_of(0)),
        (DeliveryMode.TEXT, number_of(0)),
        (VOICE, number_of(1)),
    ]
    silent = (await deliveries(engine, message_id))[3]
    assert (silent.status, silent.call_status) == (DeliveryStatus.OPTED_OUT, -33)
    await recount(engine)


async def test_a_mode_without_a_gateway_stays_pending(engine: AsyncEngine) -> None:
    gateway = FakeGateway()
    message_id = await load(engine, people(2, call, mail))

    await work(runtime_of(engine, Clock(), {VOICE: gateway}))

    assert {h.mode for h in gateway.given} == {VOICE}
    assert await statuses(engine, message_id) == {"IN_PROGRESS": 2, "PENDING": 2}
    assert await status(engine, message_id) is MessageStatus.IN_PROGRESS


async def test_a_district_with_its_own_gateway_uses_it(engine: AsyncEngine) -> None:
    of_house, of_district = FakeGateway(), FakeGateway()
    await load(engine, people(1, call, text_to))
    runtime = runtime_of(
        engine, Clock(), of_house, of_district={"plainview": {VOICE: of_district}, "other": {}}
    )

    await work(runtime)

    assert [h.mode for h in of_district.given] == [VOICE]
    assert [h.mode for h in of_house.given] == [DeliveryMode.TEXT]


async def test_one_transaction_claims_at_most_a_batch_of_the_gateway(
    engine: AsyncEngine,
) -> None:
    gateway = FakeGateway(batch=40)
    await load(engine, people(100, call))

    await work(runtime_of(engine, Clock(), gateway))

    assert gateway.waves == [40, 40, 20]


async def test_a_provider_is_used_within_its_rate_limit(engine: AsyncEngine) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    gateway = FakeGateway(per_second=0.5)
    await load(engine, people(5, call))

    await work(runtime_of(engine, Clock(), gateway, sleep=sleep))

    assert gateway.waves == [1, 1, 1, 1, 1]
    # A place every two seconds; nobody has really waited, so each wait is that much longer.
    assert waits == pytest.approx([2, 4, 6, 8], abs=1)


async def test_a_wave_uses_at_most_250_ms_of_a_rate_limit(
    engine: AsyncEngine,
) -> None:
    gateway = FakeGateway(per_second=40)
    await load(engine, people(25, call))

    await work(runtime_of(engine, Clock(), gateway))

    assert gateway.waves == [10, 10, 5]


# The outcome


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
    engine: AsyncEngine,
    outcome: Outcome,
    stands: tuple[DeliveryStatus, int | None],
    message_stands: MessageStatus,
) -> None:
    clock = Clock()
    message_id = await load(engine, people(1, call))

    await work(runtime_of(engine, clock, FakeGateway(answer=lambda _: outcome)))

    row = await one(engine, message_id)
    assert (row.status, row.call_status) == stands
    assert row.reference == (outcome.reference if isinstance(outcome, Accepted) else None)
    assert (row.claim is not None) == isinstance(outcome, Unsure)
    assert await status(engine, message_id) is message_stands
    (event,) = await events(engine, row.key)
    assert (event.status, event.source) == (stands[0], EventSource.DISPATCH)
    assert event.detail == (None if isinstance(outcome, Accepted) else outcome.reason)
    await recount(engine)


async def test_an_unaccepted_delivery_is_retried_after_growing_pauses(
    engine: AsyncEngine,
) -> None:
    clock = Clock()
    gateway = FakeGateway(answer=busy)
    runtime = runtime_of(engine, clock, gateway)
    message_id = await load(engine, people(1, mail))
    tried: list[float] = []
    for _ in range(60):
        tried += [(clock.now - NOON).total_seconds()] * await work(runtime)
        clock.advance(seconds=1)

    # Half of 5, 10, 20, 40 seconds, the chance being nil; the clock goes by seconds.
    assert tried == [0, 3, 8, 18, 38]
    row = await one(engine, message_id)
    assert (row.status, row.attempts, row.handed_at) == (DeliveryStatus.PENDING, 5, None)
    assert row.first_at == NOON
    await recount(engine)


async def test_a_call_that_is_not_accepted_for_hours_fails(engine: AsyncEngine) -> None:
    clock = Clock()
    runtime = runtime_of(engine, clock, FakeGateway(answer=busy))
    message_id = await load(engine, people(1, call))
    for _ in range(30):
        await work(runtime)
        clock.advance(minutes=10)

    row = await one(engine, message_id)
    assert (row.status, row.call_status) == (DeliveryStatus.FAILED, -11)
    assert await status(engine, message_id) is MessageStatus.SENT
    assert await work(runtime) == 0
    await recount(engine)


async def test_a_provider_that_accepts_nothing_is_put_on_hold(
    engine: AsyncEngine,
) -> None:
    clock = Clock()
    gateway = FakeGateway(answer=busy, batch=DOWN_FROM)
    runtime = runtime_of(engine, clock, gateway)
    message_id = await load(engine, people(5 * DOWN_FROM, mail))

    await work(runtime, rounds=3)

    assert gateway.waves == [DOWN_FROM]
    gateway.answer = lambda h: Accepted(None, DeliveryStatus.SENT)
    await let_go(engine)
    clock.advance(seconds=5)
    await work(runtime)
    assert await statuses(engine, message_id) == {"SENT": 5 * DOWN_FROM}
    await recount(engine)


async def test_one_refused_address_does_not_block_others(engine: AsyncEngine) -> None:
    gateway = FakeGateway(
        answer=lambda h: (
            busy(h) if h.address.startswith("p0@") else Accepted(None, DeliveryStatus.SENT)
        ),
        batch=1,
    )
    runtime = runtime_of(engine, Clock(), gateway)
    message_id = await load(engine, people(3, mail))

    await work(runtime, rounds=2)

    assert await statuses(engine, message_id) == {"PENDING": 1, "SENT": 2}


async def test_a_gateway_that_fails_or_returns_nonsense_leaves_its_deliveries_unsure(
    engine: AsyncEngine,
) -> None:
    class Broken(FakeGateway):
        async def transmit(
            self, composed: Sequence[Handover], passage: Passage
        ) -> Sequence[Outcome]:
            await super().transmit(composed, passage)
            if len(self.waves) == 1:
                raise RuntimeError("a bug")
            return []

    gateway = Broken(batch=2)
    runtime = runtime_of(engine, Clock(), gateway)
    message_id = await load(engine, people(4, call))

    await work(runtime, rounds=2)

    rows = await deliveries(engine, message_id)
    assert len(gateway.keys) == 4
    assert {row.status for row in rows} == {DeliveryStatus.IN_PROGRESS}
    assert all(row.claim for row in rows)
    assert [[event.detail for event in await events(engine, row.key)] for row in rows] == [
        ["RuntimeError"],
        ["RuntimeError"],
        ["the gateway gave 0 outcomes for 2 deliveries"],
        ["the gateway gave 0 outcomes for 2 deliveries"],
    ]
    await recount(engine)


async def test_the_wait_for_a_silent_provider_ends_within_the_claim(
    engine: AsyncEngine,
) -> None:
    gateway = FakeGateway(meanwhile=asyncio.Event().wait)  # type: ignore[arg-type]
    runtime = runtime_of(engine, Clock(), gateway, send_limit=timedelta(milliseconds=20))
    message_id = await load(engine, people(1, call))

    await work(runtime)

    row = await one(engine, message_id)
    assert (row.status, row.reference) == (DeliveryStatus.IN_PROGRESS, None)
    assert [e.detail for e in await events(engine, row.key)] == ["no answer in time"]


# The fence


async def test_a_process_that_was_suspended_after_its_claim_sends_nothing_when_it_resumes(
    engine: AsyncEngine,
) -> None:
    """Another process may have its claim now, and may have asked the provider whether it had left."""
    clock = Clock()
    sleeper, other = FakeGateway(), FakeGateway()
    message_id = await load(engine, people(1, call))

    runtime = runtime_of(engine, clock, sleeper, send_limit=timedelta(minutes=2))
    with after_commits(engine, lambda: clock.advance(minutes=2)):
        await hand_over(runtime, message_id, 0)

    assert sleeper.given == []
    row = await one(engine, message_id)
    assert (row.status, row.claim) == (DeliveryStatus.PENDING, None)
    await work(runtime_of(engine, clock, other))
    assert other.keys == [f"{message_id}.0.0"]
    await recount(engine)


@pytest.mark.parametrize("answer", [refuse, busy, mute])
async def test_an_outcome_after_the_claim_was_lost_undoes_nothing(
    engine: AsyncEngine, answer: object
) -> None:
    """While the first waited for its answer, the lease ended, nothing had arrived, and another process sent it."""
    clock = Clock()
    message_id = await load(engine, people(1, mail))
    second = runtime_of(engine, clock, FakeGateway())

    async def taken_over() -> None:
        await settle(second)
        await work(second)

    first = FakeGateway(answer=answer, meanwhile=taken_over)  # type: ignore[arg-type]
    await work(runtime_of(engine, clock, first))

    row = await one(engine, message_id)
    assert (row.status, row.reference, row.attempts) == (
        DeliveryStatus.IN_PROGRESS,
        f"REF-{message_id}.0.0-2",
        2,
    )
    await recount(engine)


async def test_an_acceptance_after_the_claim_was_lost_is_recorded(
    engine: AsyncEngine,
) -> None:
    clock = Clock()
    message_id = await load(engine, people(1, call))
    second = FakeGateway(find=lambda _: NotAtProvider())

    async def taken_over() -> None:
        await settle(runtime_of(engine, clock, second))
        assert (await one(engine, message_id)).status is DeliveryStatus.PENDING

    await work(runtime_of(engine, clock, FakeGateway(meanwhile=taken_over)))
    await work(runtime_of(engine, clock, second))

    assert second.given == []
    row = await one(engine, message_id)
    assert (row.status, row.reference) == (DeliveryStatus.IN_PROGRESS, f"REF-{message_id}.0.0-1")
    await recount(engine)


async def test_an_answer_after_a_resend_belongs_to_the_earlier_sending(
    engine: AsyncEngine,
) -> None:
    clock = Clock()
    message_id = await load(engine, people(1, call))
    other = FakeGateway(
        answer=lambda h: Accepted(f"REF-{h.key}", DeliveryStatus.DELIVERED, 5),
        find=lambda _: CannotTell("who knows"),
    )
    second = runtime_of(engine, clock, other)

    async def sent_again() -> None:
        await settle(second)
        assert (await one(engine, message_id)).status is DeliveryStatus.FAILED
        assert await resend(second, message_id, modes=ALL_MODES, announce=to_nobody) == 1

    await work(runtime_of(engine, clock, FakeGateway(meanwhile=sent_again)))

    row = await one(engine, message_id)
    assert (row.status, row.reference, row.resends) == (DeliveryStatus.PENDING, None, 1)
    assert (await events(engine, row.key))[-1].status is DeliveryStatus.IN_PROGRESS
    await work(second)
    row = await one(engine, message_id)
    assert (row.status, row.reference) == (DeliveryStatus.DELIVERED, f"REF-{message_id}.0.0.1")
    await recount(engine)


async def test_a_receipt_before_the_answer_stays_and_its_reference_is_kept(
    engine: AsyncEngine,
) -> None:
    clock = Clock()
    message_id = await load(engine, people(1, call))

    async def called_back() -> None:
        receipt = Receipt(NOON, DeliveryStatus.DELIVERED, 5, key=f"{message_id}.0.0")
        await take_in(engine, "fake", [receipt], source=EventSource.CALLBACK, now=NOON)

    await work(runtime_of(engine, clock, FakeGateway(meanwhile=called_back)))

    row = await one(engine, message_id)
    assert (row.status, row.call_status, row.claim) == (DeliveryStatus.DELIVERED, 5, None)
    assert row.reference == f"REF-{message_id}.0.0-1"
    await recount(engine)


# Cancel


async def test_nothing_is_claimed_after_a_cancel_and_earlier_claims_are_recorded(
    engine: AsyncEngine,
) -> None:
    clock = Clock()
    message_id = await load(engine, people(6, call))

    async def canceled() -> None:
        async with writing(engine) as connection:
            await cancel.cancel(
                connection, message_id, by_id="u", by_name="U", reason=None, now=clock.now
            )

    gateway = FakeGateway(batch=2, meanwhile=canceled)
    await work(runtime_of(engine, clock, gateway))

    assert gateway.keys == [f"{message_id}.0.0", f"{message_id}.1.0"]
    assert await statuses(engine, message_id) == {"IN_PROGRESS": 2, "PENDING": 4}
    assert (await deliveries(engine, message_id))[0].reference is not None
    assert await status(engine, message_id) is MessageStatus.CANCELED_IN_PROGRESS
    await recount(engine)


async def test_an_unaccepted_delivery_of_a_canceled_message_is_canceled_and_not_retried(
    engine: AsyncEngine,
) -> None:
    clock = Clock()
    message_id = await load(engine, people(2, mail))

    async def canceled() -> None:
        async with writing(engine) as connection:
            await cancel.cancel(
                connection, message_id, by_id=None, by_name=None, reason=None, now=clock.now
            )

    runtime = runtime_of(engine, clock, FakeGateway(answer=busy, meanwhile=canceled))
    await work(runtime)

    assert await statuses(engine, message_id) == {"CANCELED": 2}
    clock.advance(hours=1)
    assert await work(runtime) == 0
    await recount(engine)


# What others see


async def test_the_revision_grows_with_each_visible_change_only(
    engine: AsyncEngine,
) -> None:
    runtime = runtime_of(engine, Clock(), FakeGateway())
    message_id = await load(engine, people(1, call))
    before = (await message(engine, message_id)).revision

    await work(runtime)
    after = (await message(engine, message_id)).revision
    assert after == before + 2  # handed over, accepted

    await work(runtime)
    assert (await message(engine, message_id)).revision == after


async def test_each_hand_over_of_a_call_or_text_restarts_the_providers_time_limit(
    engine: AsyncEngine,
) -> None:
    clock = Clock()
    runtime = runtime_of(
        engine, clock, FakeGateway(answer=busy), provider_limit=timedelta(minutes=60)
    )
    called, mailed = (
        await load(engine, people(1, call)),
        await load(engine, people(1, mail), id="M-2"),
    )

    await work(runtime)
    clock.advance(minutes=10)
    await work(runtime)

    assert (await message(engine, called)).overdue_at == clock.now + timedelta(minutes=60)
    assert (await message(engine, mailed)).overdue_at is None


async def test_no_database_connection_is_held_during_a_request_to_a_provider(
    engine: AsyncEngine,
) -> None:
    held: list[int] = []

    async def look() -> None:
        held.append(engine.pool.checkedout())  # type: ignore[attr-defined]

    await load(engine, people(1, call))
    await work(runtime_of(engine, Clock(), FakeGateway(meanwhile=look)))

    assert held == [0]


async def test_tasks_of_one_process_wait_for_a_message_without_a_connection(
    engine: AsyncEngine,
) -> None:
    """With one connection each, suspended tasks would get the message's lock one after the other."""
    gateway = FakeGateway(batch=10)
    runtime = runtime_of(engine, Clock(), gateway)
    message_id = await load(engine, people(100, call))
    all_have_read = asyncio.Event()
    given_back = itertools.count(1)

    def give_back(*_: object) -> None:
        if next(given_back) == 8:
            all_have_read.set()

    listen(engine.sync_engine, "checkin", give_back)
    turn = runtime.turns.setdefault(message_id, asyncio.Lock())
    async with turn, asyncio.timeout(30):
        tasks = [asyncio.create_task(hand_over(runtime, message_id, 0)) for _ in range(8)]
        await all_have_read.wait()
        while engine.pool.checkedout():  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0)  # the last are being closed: more than the pool keeps
        for _ in range(10):
            await asyncio.sleep(0)
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        assert gateway.given == []

    assert sum(await asyncio.gather(*tasks)) == 100
    assert len(gateway.keys) == len(set(gateway.keys))
    await recount(engine)


async def test_a_missing_message_is_no_work(engine: AsyncEngine) -> None:
    assert await hand_over(runtime_of(engine, Clock(), FakeGateway()), 4711, 0) == 0


async def test_a_delivery_has_the_same_key_in_each_attempt(engine: AsyncEngine) -> None:
    clock = Clock()
    gateway = FakeGateway(answer=busy)
    message_id = await load(engine, people(1, mail))
    runtime = runtime_of(engine, clock, gateway)

    await work(runtime)
    clock.advance(minutes=1)
    await work(runtime)

    assert [(h.key, h.attempt) for h in gateway.given] == [
        (f"{message_id}.0.0", 1),
        (f"{message_id}.0.0", 2),
    ]
    async with reading(engine) as connection:
        (row,) = await in_flight.by_key(connection, [DeliveryKey(message_id, 0, 0)])
    assert row.attempts == 2
