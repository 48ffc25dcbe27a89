"""The promise of both runners: all due work is done once, also if jobs get lost, and none is started after a stop."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from delivery.dispatch.due_work import Job
from delivery.gateways.base import Handover, NotAccepted, Outcome
from delivery.gateways.inbox import InboxGateway
from delivery.runners import base as runner_module
from delivery.runners.base import Attempt, attempt, find_work
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from tests import log
from tests.delivery.runners.kinds import (
    PATIENCE,
    all_handed_over,
    announce,
    at_work,
    holds,
    runner_of,
)
from tests.delivery.world import FakeGateway, World, accept, call, mail, people, text_to
from tests.log import NOON


class QuickGateway(FakeGateway):
    """A gateway with another name, and so with its own rate limit."""

    name = "quick"


class Valve:
    """Makes a gateway's answers wait until it is opened, and signals when one waits."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self.opened.wait()

    async def is_reached(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.reached.wait()


async def test_all_that_is_due_is_handed_over_once(world: World) -> None:
    large = await world.load(people(300, call, text_to))
    small = await world.load(people(3, mail), id="M-2")
    runner = runner_of(world.runtime)

    async with at_work(runner):
        await announce(world.database, runner)
        await all_handed_over(world.database, large)
        await all_handed_over(world.database, small)

    assert len(world.gateway.given) == 603
    assert set(Counter(world.gateway.keys).values()) == {1}
    await world.recount()


async def test_a_short_message_does_not_wait_for_a_long_one(world: World) -> None:
    gateway = world.use(FakeGateway(batch=500))
    long = await world.load(people(5_001, mail))  # eleven chunks, for six hands
    short = await world.load(people(1, mail), id="M-2")
    runner = runner_of(world.runtime)
    short_came = asyncio.Event()

    async def hold_the_later_ones() -> None:
        # Without this, SQLite's lock may go to the others again and again: it is given to nobody in turn.
        if f"{short}.0.0" in gateway.keys:
            short_came.set()
        if len(gateway.waves) > 5:
            async with asyncio.timeout(PATIENCE):
                await short_came.wait()

    gateway.meanwhile = hold_the_later_ones
    async with at_work(runner):
        await announce(world.database, runner)
        await all_handed_over(world.database, long)

    assert gateway.keys.index(f"{short}.0.0") < gateway.keys.index(f"{long}.5000.0")


async def test_a_message_that_waits_for_a_rate_limit_does_not_block_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "TURN", 0.2)
    slow, quick = FakeGateway(per_second=1.0), QuickGateway()
    runtime = world.runtime_of({DeliveryMode.VOICE: slow, DeliveryMode.EMAIL: quick})
    calls = await world.load(people(3_001, call))  # more chunks than hands, and enough for an hour
    runner = runner_of(runtime)

    async def it_has_begun() -> bool:
        return len(slow.given) > 0

    async with at_work(runner):
        await announce(world.database, runner)
        await holds(world.database, it_has_begun)
        mails = await world.load(people(3, mail), id="M-2")
        await announce(world.database, runner)
        await all_handed_over(world.database, mails)

    assert (await world.statuses(calls))["PENDING"] > 2_900


async def test_work_is_found_without_an_announcement(world: World) -> None:
    runner = runner_of(world.runtime)

    async with at_work(runner):
        message_id = await world.load(people(2, mail))
        await all_handed_over(world.database, message_id)

    assert len(world.gateway.given) == 2


async def test_announced_work_does_not_wait_for_the_next_round(world: World) -> None:
    runner = runner_of(world.runtime, has_rounds=False)
    first = await world.load(people(1, mail))

    async with at_work(runner):
        await announce(world.database, runner)
        await all_handed_over(world.database, first)
        second = await world.load(people(2, mail), id="M-2")
        await announce(world.database, runner)
        await all_handed_over(world.database, second)

    assert len(world.gateway.given) == 3


async def test_a_runner_starts_a_message_at_its_time_and_not_before(world: World) -> None:
    later = await world.load(people(1, mail), scheduled_at=NOON + timedelta(hours=1))
    runner = runner_of(world.runtime)

    async with at_work(runner):
        # One that is due now shows that the runner has looked around.
        now = await world.load(people(1, text_to), id="M-2")
        await all_handed_over(world.database, now)
        assert (await world.one(later)).status is DeliveryStatus.PENDING
        assert await world.status(later) is MessageStatus.WAITING
        world.clock.advance(hours=1)
        await all_handed_over(world.database, later)

    assert [handover.mode for handover in world.gateway.given] == [
        DeliveryMode.TEXT,
        DeliveryMode.EMAIL,
    ]


async def test_a_job_that_runs_twice_does_nothing_the_second_time(world: World) -> None:
    message_id = await world.load(people(5, call))

    assert await find_work(world.runtime) == [Job(message_id, 0)]
    assert await attempt(world.runtime, Job(message_id, 0), until=asyncio.Event()) is Attempt.DONE
    assert (
        await attempt(world.runtime, Job(message_id, 0), until=asyncio.Event()) is Attempt.NOTHING
    )

    assert len(world.gateway.given) == 5


async def test_a_lost_job_is_found_again(world: World) -> None:
    message_id = await world.load(people(5, call))
    valve = Valve()
    held_up = FakeGateway(meanwhile=valve)
    async with at_work(runner_of(world.runtime_of(held_up), grace=0.0)) as until:
        await valve.is_reached()  # it has found the job, and is at it
        until.set()
    if world.database.is_postgresql:
        async with world.database.writing() as connection:
            await connection.execute(text("delete from procrastinate_jobs"))
            await connection.execute(text("update delivery set lease_until = now()"))

    async def all_have_arrived() -> bool:
        return all(row.reference is not None for row in await world.deliveries(message_id))

    async with at_work(runner_of(world.runtime)):
        await holds(world.database, all_have_arrived)

    assert len(held_up.given) == 5
    assert sorted(world.gateway.keys) == sorted(
        held_up.keys
    )  # its provider had said that nothing arrived


async def test_a_failed_chunk_is_logged_by_its_ids_and_does_not_block_others(world: World) -> None:
    chances = iter([ZeroDivisionError("the first outcome that is recorded fails")])

    def chance() -> float:
        if (fault := next(chances, None)) is not None:
            raise fault
        return 0.0

    first = await world.load(people(1, call))
    runner = runner_of(world.runtime_of(world.gateway, chance=chance))
    with capture_logs() as lines:
        async with at_work(runner):
            await announce(world.database, runner)
            await all_handed_over(world.database, first)
            second = await world.load(people(1, call), id="M-2")
            await all_handed_over(world.database, second)

    (line,) = [line for line in lines if line["event"] == "the job failed"]
    assert (line["message_id"], line["chunk"]) == (f"message.{first}", 0)
    assert len(world.gateway.given) == 2
    # It may have left: it is settled when the lease ends, and not called again.
    assert (await world.one(first)).claim is not None


async def test_running_jobs_finish_after_a_stop_and_no_new_one_starts(world: World) -> None:
    valve = Valve()
    world.use(FakeGateway(meanwhile=valve))
    first = await world.load(people(2, mail))
    runner = runner_of(world.runtime)

    async with at_work(runner) as until:
        await announce(world.database, runner)
        await valve.is_reached()
        until.set()
        second = await world.load(people(2, mail), id="M-2")
        valve.opened.set()

    assert await world.statuses(first) == {"IN_PROGRESS": 2}
    assert all(row.reference and row.claim is None for row in await world.deliveries(first))
    assert await world.statuses(second) == {"PENDING": 2}


async def test_a_job_that_waits_for_a_rate_limit_ends_at_once_at_a_stop(world: World) -> None:
    waiting = asyncio.Event()

    async def sleep(seconds: float) -> None:
        raise AssertionError("a runner waits in a way of its own, that can be broken off")

    def answer(handover: Handover) -> Outcome:
        waiting.set()
        return accept(handover)

    gateway = FakeGateway(answer=answer, per_second=0.05)
    message_id = await world.load(people(3, call))
    runner = runner_of(world.runtime_of(gateway, sleep=sleep))

    async with at_work(runner) as until:
        await announce(world.database, runner)
        async with asyncio.timeout(PATIENCE):
            await waiting.wait()
        # The next one would have to wait for twenty seconds.
        until.set()

    rows = await world.deliveries(message_id)
    assert [row.status for row in rows].count(DeliveryStatus.PENDING) == 2
    assert all(row.claim is None for row in rows)


async def test_a_provider_that_accepts_nothing_does_not_block_others(world: World) -> None:
    def busy(handover: Handover) -> Outcome:
        return NotAccepted("busy")

    down, up = FakeGateway(answer=busy), FakeGateway()
    runtime = world.runtime_of(
        {DeliveryMode.VOICE: down, DeliveryMode.EMAIL: up, DeliveryMode.TEXT: up}
    )
    calls = await world.load(people(20, call))
    runner = runner_of(runtime)

    async with at_work(runner):
        await announce(world.database, runner)
        mails = await world.load(people(20, mail), id="M-2")
        await announce(world.database, runner)
        await all_handed_over(world.database, mails)

    assert await world.statuses(calls) == {"PENDING": 20}
    assert len(down.given) <= 20
    assert len(up.given) == 20


async def test_an_inbox_needs_no_gateway_setting_and_no_provider(world: World) -> None:
    message_id = await world.load([log.recipient("p1", log.inbox(), log.voice())])
    runner = runner_of(world.runtime_of(InboxGateway()))

    async def is_in_the_inbox() -> bool:
        return await world.statuses(message_id) == {"SENT": 1, "PENDING": 1}

    async with at_work(runner):
        await announce(world.database, runner)
        await holds(world.database, is_in_the_inbox)
