"""The promise: no fault of providers, processes or the database loses or doubles a delivery.

Time is the test's clock. The tests compare the log with the provider's journal.
"""

import random
from collections import Counter
from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from delivery.dispatch.handover import hand_over
from delivery.dispatch.runtime import Runtime
from delivery.gateways.base import Accepted, Handover, Outcome, Unsure
from delivery.gateways.simulator.gateway import SimulatorBehavior, SimulatorGateway
from delivery.gateways.simulator.journal import Journal
from delivery.receipts.receipts import apply_receipts
from domain.status import OPEN, DeliveryMode, DeliveryStatus, EventSource, MessageStatus
from tests.delivery.world import FakeGateway, World, call, mail, people, text_to
from tests.log import NOON

MINUTE: Final = timedelta(minutes=1)


async def live_through(
    world: World, runtime: Runtime, gateway: SimulatorGateway, *, minutes: int, dice: random.Random
) -> None:
    """Simulate some minutes: rounds, hand-overs, due receipts, and settlement every five minutes."""
    for minute in range(minutes):
        for _ in range(2):
            await world.work(runtime)
            heard = gateway.due(world.clock.now)
            dice.shuffle(heard)
            await apply_receipts(
                runtime.database,
                gateway.name,
                heard,
                source=EventSource.CALLBACK,
                now=world.clock.now,
            )
            world.clock.advance(seconds=30)
        await world.let_go()
        if minute % 5 == 4:
            await world.settle(runtime)


@pytest.mark.parametrize(
    "temper",
    [
        SimulatorBehavior(outages=((NOON, NOON + 10 * MINUTE),), outcome_after=(5, 60)),
        SimulatorBehavior(
            busy=0.3,
            refused=0.05,
            opted_out=0.1,
            lost=0.1,
            unanswered=0.1,
            forgetful=0.3,
            odd=0.2,
            repeated=0.4,
            outcome_after=(1, 90),
            late=(0, 120),
        ),
        SimulatorBehavior(
            lost=0.3,
            unanswered=0.3,
            outages=((NOON + 2 * MINUTE, NOON + 12 * MINUTE),),
            outcome_after=(1, 200),
            late=(0, 300),
        ),
    ],
    ids=["down for ten minutes", "in a bad mood", "down while claims are open"],
)
async def test_any_provider_behavior_loses_and_doubles_nothing(
    world: World, temper: SimulatorBehavior
) -> None:
    journal = Journal()
    gateway = SimulatorGateway(
        journal, clock=world.clock, seed=11, temper=temper, sleep=world.clock.sleep, batch=20
    )
    runtime = world.runtime_of(gateway, lease=5 * MINUTE)
    message_id = await world.load([*people(25, call, text_to, mail), *people(3, call)])

    await live_through(world, runtime, gateway, minutes=60, dice=random.Random(5))

    rows = [row for row in await world.deliveries(message_id) if not row.is_duplicate]
    arrived = Counter(entry.key for entry in journal.entries())
    assert len(rows) == 75
    for row in rows:
        times = arrived[".".join(map(str, row.key))]
        if row.mode is not DeliveryMode.EMAIL:
            assert times <= 1, "no call and no text twice"
        if row.call_status in (-5, -2, -33) or row.reference is None:
            assert row.status in (DeliveryStatus.FAILED, DeliveryStatus.OPTED_OUT)
            continue
        assert times >= 1, "nothing that the log says was sent is missing at the provider"
    assert not [row for row in rows if row.claim or row.status in OPEN]
    await world.recount()


async def test_the_log_says_why_a_message_is_late(world: World) -> None:
    temper = SimulatorBehavior(outages=((NOON, NOON + MINUTE),))
    gateway = SimulatorGateway(Journal(), clock=world.clock, temper=temper, sleep=world.clock.sleep)
    runtime = world.runtime_of(gateway)
    message_id = await world.load(people(1, mail))

    await live_through(world, runtime, gateway, minutes=3, dice=random.Random(1))

    row = await world.one(message_id)
    reasons = [event.detail for event in await world.events(row.key)]
    assert reasons[-2:] == ["accepted (simulated)", "simulated"]
    assert set(reasons[:-2]) == {"no connection (simulated outage)"}
    assert row.status in (DeliveryStatus.SENT, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED)


async def test_a_process_that_dies_between_claim_and_record_loses_nothing(world: World) -> None:
    class Killed(BaseException):
        """Not an Exception, so that no code in between can catch it."""

    async def die() -> None:
        raise Killed

    gateway = world.use(FakeGateway(batch=10, meanwhile=die))
    message_id = await world.load(people(30, call))
    with pytest.raises(Killed):
        await hand_over(world.runtime, message_id, 0)
    assert await world.statuses(message_id) == {"IN_PROGRESS": 10, "PENDING": 20}

    gateway.meanwhile = None
    await world.work()
    assert len(gateway.given) == 30
    await world.settle()
    await world.work()

    # It surely had not arrived, says the provider of the ten.
    assert Counter(Counter(gateway.keys).values()) == {1: 20, 2: 10}
    assert all(row.reference for row in await world.deliveries(message_id))
    await world.recount()


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
@pytest.mark.parametrize("moment", ["while a provider is waited for", "between two waves"])
async def test_a_short_database_outage_loses_no_delivery(
    world: World, database_url: str, moment: str
) -> None:
    url = make_url(database_url)

    def restart() -> None:
        admin = create_engine(url.set(database="postgres"))
        with admin.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
                ),
                {"name": url.database},
            )
        admin.dispose()

    async def while_waiting() -> None:
        restart()

    arrived: list[str] = []

    def answer(handover: Handover) -> Outcome:
        arrived.append(handover.key)
        return Accepted(f"R{handover.key}", DeliveryStatus.DELIVERED, 5)

    waits = moment == "while a provider is waited for"
    gateway = world.use(
        FakeGateway(answer=answer, batch=5, meanwhile=while_waiting if waits else None)
    )
    message_id = await world.load(people(20, call))
    for round in range(6):
        if not waits and round % 2:
            restart()
        try:
            await world.work()
        except DBAPIError:
            continue
    gateway.meanwhile = None
    await world.work()

    assert len(arrived) == len(set(arrived)) == 20
    assert await world.statuses(message_id) == {"DELIVERED": 20}
    assert await world.status(message_id) is MessageStatus.SENT
    await world.recount()


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
async def test_an_outcome_is_written_when_the_database_is_back(
    world: World, database_url: str
) -> None:
    """Only this process has the provider's answer: without it a call would be marked as unsure."""
    url = make_url(database_url)
    admin = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")

    def let_connect(allowed: bool) -> None:
        with admin.connect() as connection:
            connection.execute(
                text(f"ALTER DATABASE {url.database} WITH ALLOW_CONNECTIONS {allowed}")
            )
            if not allowed:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
                    ),
                    {"name": url.database},
                )

    async def go_away() -> None:
        let_connect(False)

    pauses: list[float] = []

    async def come_back(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            let_connect(True)

    gateway = FakeGateway(meanwhile=go_away)
    runtime = world.runtime_of(gateway, sleep=come_back)
    message_id = await world.load(people(3, call))

    assert await hand_over(runtime, message_id, 0) == 3

    assert len(pauses) == 3
    assert [row.reference for row in await world.deliveries(message_id)] == [
        f"REF-{key}-1" for key in gateway.keys
    ]
    await world.recount()
    admin.dispose()


async def test_a_slow_provider_keeps_its_claims_and_no_other_worker_sends(world: World) -> None:
    message_id = await world.load(people(4, call))
    second = FakeGateway()

    async def long() -> None:
        world.clock.advance(minutes=1, seconds=59)
        await world.work(second)

    await world.work(FakeGateway(meanwhile=long))

    assert second.given == []
    assert await world.statuses(message_id) == {"IN_PROGRESS": 4}
    assert all(row.reference for row in await world.deliveries(message_id))


async def test_every_unsure_delivery_gets_an_outcome_in_the_end(world: World) -> None:
    """A provider that never answers and is never reachable again makes the message an ERROR after the time limit."""
    gateway = world.use(FakeGateway(answer=lambda _: Unsure("no answer")))
    gateway.is_reachable = False
    message_id = await world.load(people(2, call))
    await world.work()

    for _ in range(7):
        world.clock.advance(minutes=10)
        await world.settle()
        await world.work()

    assert await world.status(message_id) is MessageStatus.ERROR
    assert len(gateway.given) == 2
    gateway.is_reachable = True
    await world.settle()
    await world.work()
    assert len(gateway.given) == 4, "surely not arrived: sent, an hour late"
    await world.recount()
