"""The promise: an outcome is recorded after any outage of the database, and the provider gets the delivery once."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import event, exc
from structlog.testing import capture_logs

from db.connect.database import Database
from delivery.dispatch.due_work import Job
from delivery.dispatch.handover import hand_over
from delivery.dispatch.recording import FIRST_PAUSE, KEPT, LONGEST_PAUSE
from delivery.dispatch.settlement import settle_lapsed
from delivery.gateways.base import Accepted, FoundAtProvider, Handover, Outcome
from delivery.runners.base import Attempt, attempt
from domain.receipts import Receipt
from domain.status import DeliveryMode, DeliveryStatus
from tests.delivery.gateways.stand_ins import CallStandIn, MailgunStandIn, SmtpStandIn
from tests.delivery.world import Clock, FakeGateway, World, call, mail, people
from tests.interruptions import end_all_sessions, interrupted
from tests.log import NOON

LATE: Final = timedelta(minutes=1)


class Outage:
    """A database that is unavailable from the provider's answer on, for some attempts to write."""

    def __init__(self, database: Database, clock: Clock, *, attempts: int = 2) -> None:
        self.database = database
        self.clock = clock
        self.attempts = attempts
        self.pauses: list[float] = []
        self._open = AsyncExitStack()

    async def begin(self) -> None:
        """Start the outage."""

    async def sleep(self, seconds: float) -> None:
        """Sleep between two attempts to write; after some of them the outage ends."""
        self.pauses.append(seconds)
        self.clock.advance(seconds=seconds)
        if len(self.pauses) == self.attempts:
            await self._open.aclose()


class FullPool(Outage):
    """All connections of the pool are in use, and waiting for one fails at once."""

    async def begin(self) -> None:
        pool: Any = self.database.engine.pool
        pool._timeout = 0
        while True:
            try:
                await self._open.enter_async_context(self.database.reading())
            except exc.TimeoutError:
                return


class LockedFile(Outage):
    """Another process locks the SQLite file, and waiting for it fails at once."""

    async def begin(self) -> None:
        assert self.database.engine.url.database is not None
        other = sqlite3.connect(self.database.engine.url.database, isolation_level=None)
        event.listen(self.database.engine.sync_engine, "checkout", _do_not_wait)
        other.execute("BEGIN IMMEDIATE")
        self._open.callback(other.close)


def _do_not_wait(connection: Any, record: Any, proxy: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 0")
    cursor.close()


class Restart(Outage):
    """PostgreSQL ends all sessions, also in the middle of each attempt to write."""

    async def begin(self) -> None:
        end_all_sessions(self.database)
        self._open.enter_context(interrupted(self.database))


@pytest.fixture(params=["full pool", "database gone"])
def outage(request: pytest.FixtureRequest, world: World) -> Outage:
    """Each kind of outage of the engine."""
    if request.param == "full pool":
        return FullPool(world.database, world.clock)
    if not world.database.is_postgresql:
        return LockedFile(world.database, world.clock)
    return Restart(world.database, world.clock, attempts=1)


@asynccontextmanager
async def smtp(meanwhile: Callable[[], Awaitable[None]]) -> AsyncIterator[SmtpStandIn]:
    """A mail server that calls a function when it has an email, before its answer."""

    class Slow(SmtpStandIn):
        async def handle_DATA(self, *arguments: Any) -> str:
            answer = await super().handle_DATA(*arguments)
            await meanwhile()
            return answer

    async with Slow().running() as stand_in:
        yield stand_in


async def test_an_email_that_was_accepted_while_the_database_was_away_is_not_sent_again(
    world: World, outage: Outage
) -> None:
    message_id = await world.load(people(1, mail))
    async with smtp(outage.begin) as server:
        runtime = world.runtime_of({DeliveryMode.EMAIL: server.gateway}, sleep=outage.sleep)
        assert await hand_over(runtime, message_id, 0) == 1
        await world.settle(runtime)
        await world.work(runtime)
        assert server.taken() == ["p0@nomail.example"]

    assert len(outage.pauses) == outage.attempts
    assert await world.statuses(message_id) == {"SENT": 1}
    await world.recount()


@pytest.mark.parametrize("provider", [CallStandIn, MailgunStandIn])
async def test_an_acceptance_over_http_is_recorded_with_the_provider_s_id(
    world: World, outage: Outage, provider: type[CallStandIn | MailgunStandIn]
) -> None:
    class Slow(provider):  # type: ignore[misc, valid-type]  # each of the two
        async def _handle(self, request: Any) -> Any:
            answer = await super()._handle(request)
            if request.method == "POST":
                await outage.begin()
            return answer

    device, mode = (
        (call, DeliveryMode.VOICE) if provider is CallStandIn else (mail, DeliveryMode.EMAIL)
    )
    message_id = await world.load(people(1, lambda _: device(7)))
    stand_in = Slow()
    runtime = world.runtime_of({mode: stand_in.gateway}, sleep=outage.sleep)

    assert await hand_over(runtime, message_id, 0) == 1
    await world.settle(runtime)
    await world.work(runtime)

    assert len(stand_in.taken()) == 1
    delivery = await world.one(message_id)
    assert (delivery.reference is None, delivery.claim) == (False, None)
    await world.recount()


def accepting(outage: Outage) -> FakeGateway:
    return FakeGateway(meanwhile=outage.begin)


async def test_an_outage_longer_than_the_lease_is_retried_with_growing_pauses(world: World) -> None:
    outage = FullPool(world.database, world.clock, attempts=310)
    message_id = await world.load(people(2, call))
    gateway = accepting(outage)
    runtime = world.runtime_of(gateway, sleep=outage.sleep)

    with capture_logs() as lines:
        assert await hand_over(runtime, message_id, 0) == 2

    assert len(gateway.given) == 2
    lease = int(runtime.lease.total_seconds())
    assert outage.pauses[:lease] == [FIRST_PAUSE] * lease
    assert outage.pauses[lease : lease + 6] == [2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE]
    assert all(row.reference and row.claim is None for row in await world.deliveries(message_id))
    warning = lines[0]
    assert (warning["event"], warning["log_level"], warning["reason"]) == (
        "outcomes cannot be written: the database is unavailable",
        "warning",
        "TimeoutError",
    )
    await world.recount()


async def test_a_delivery_that_was_taken_over_during_an_outage_still_gets_its_reference(
    world: World, database_url: str
) -> None:
    """And the number is not called again: the outcome shows that a provider has the call."""
    elsewhere = Database(database_url)
    outage = FullPool(world.database, world.clock, attempts=305)
    message_id = await world.load(people(1, call))
    gateway = accepting(outage)
    unreachable = FakeGateway()
    unreachable.is_reachable = False
    sleep = outage.sleep

    async def meanwhile(seconds: float) -> None:
        if len(outage.pauses) == 303:
            assert await World(elsewhere).settle(unreachable) == 1
        await sleep(seconds)

    assert await hand_over(world.runtime_of(gateway, sleep=meanwhile), message_id, 0) == 1

    delivery = await world.one(message_id)
    assert delivery.reference == f"REF-{gateway.keys[0]}-1"
    assert unreachable.given == []
    await elsewhere.dispose()
    await world.recount()


async def test_outcomes_are_given_up_after_two_days_with_an_error(world: World) -> None:
    outage = FullPool(world.database, world.clock, attempts=0)
    message_id = await world.load(people(1, call))

    async def sleep(seconds: float) -> None:
        world.clock.advance(
            seconds=seconds if world.clock.now < NOON + LATE else KEPT.total_seconds()
        )

    runtime = world.runtime_of(accepting(outage), sleep=sleep)
    with capture_logs() as lines, pytest.raises(exc.TimeoutError):
        await hand_over(runtime, message_id, 0)
    assert [line["event"] for line in lines if line["log_level"] == "error"] == [
        "outcomes were given up: the database was unavailable for too long"
    ]
    await outage._open.aclose()


async def test_a_runner_that_stops_finishes_writing_its_outcomes(world: World) -> None:
    """The event that ends a wait for a rate limit must not end this."""
    until = asyncio.Event()
    outage = FullPool(world.database, world.clock)
    message_id = await world.load(people(1, call))

    async def begin() -> None:
        until.set()
        await outage.begin()

    runtime = world.runtime_of(FakeGateway(meanwhile=begin), sleep=outage.sleep)

    assert await attempt(runtime, Job(message_id, 0), until=until) is Attempt.DONE

    assert (await world.one(message_id)).reference is not None
    assert len(outage.pauses) == 2


async def test_lost_outcomes_at_a_process_stop_are_logged(world: World) -> None:
    outage = FullPool(world.database, world.clock)
    message_id = await world.load(people(1, call))
    waits = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.set()
        await asyncio.Event().wait()

    runtime = world.runtime_of(accepting(outage), sleep=sleep)
    with capture_logs() as lines:
        working = asyncio.ensure_future(hand_over(runtime, message_id, 0))
        await waits.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
    assert [(line["event"], line["deliveries"]) for line in lines[1:]] == [
        ("outcomes are lost: the process stops while the database is unavailable", 1)
    ]
    await outage._open.aclose()


async def test_one_outcome_that_the_database_refuses_does_not_lose_the_others(world: World) -> None:
    """A reason is a provider's text, with any content."""
    refused = "\ud800"  # a lone surrogate: neither database takes it

    def answer(handover: Handover) -> Outcome:
        odd = handover.key.split(".")[1] == "1"
        return Accepted(refused if odd else handover.key, DeliveryStatus.IN_PROGRESS)

    world.use(FakeGateway(answer=answer))
    message_id = await world.load(people(3, call))
    with capture_logs() as lines:
        assert await hand_over(world.runtime, message_id, 0) == 3

    rows = await world.deliveries(message_id)
    assert [row.claim is None for row in rows] == [True, False, True]
    assert [line["event"] for line in lines if line["log_level"] == "error"] == [
        "outcomes cannot be written together; each is written alone",
        "an outcome cannot be written",
    ]
    await world.recount()


def found(handover: Handover) -> FoundAtProvider:
    return FoundAtProvider("SID", [Receipt(NOON, DeliveryStatus.DELIVERED, 5)])


async def test_a_finding_is_recorded_after_an_outage(world: World, outage: Outage) -> None:
    message_id = await world.load(people(1, call))

    class Killed(BaseException):
        """Simulates the death of the process after its claim."""

    async def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        await hand_over(world.runtime_of(FakeGateway(meanwhile=die)), message_id, 0)
    await world.lapse()

    class Asked(FakeGateway):
        async def find(self, handover: Handover, **more: Any) -> FoundAtProvider:
            await super().find(handover, **more)
            await outage.begin()
            return found(handover)

    gateway = Asked()
    assert await settle_lapsed(world.runtime_of(gateway, sleep=outage.sleep)) == 1

    delivery = await world.one(message_id)
    assert (delivery.status, delivery.reference) == (DeliveryStatus.DELIVERED, "SID")
    assert len(gateway.lookups) == 1
    assert len(outage.pauses) == outage.attempts
    await world.recount()
