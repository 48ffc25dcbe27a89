"""The promise: an e-mail that gets no answer from the server is sent at most three times."""

import asyncio
from datetime import timedelta
from typing import Final

import pytest

from delivery.dispatch.resend import resend
from delivery.gateways.base import CannotTell
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from tests.delivery.gateways.stand_ins import Behaviour, SmtpStandIn
from tests.delivery.world import FakeGateway, World, mail, people

MAY_HAVE_ARRIVED: Final = "it may have arrived: sent 3 times, each without an answer"


@pytest.mark.parametrize("behaviour", [Behaviour.TAKES_WITHOUT_ANSWER, Behaviour.LOSES])
async def test_an_email_without_an_answer_is_sent_three_times_and_then_fails(
    world: World, behaviour: Behaviour
) -> None:
    async with SmtpStandIn().running() as server:
        server.behaviour = behaviour
        runtime = world.runtime_of({DeliveryMode.EMAIL: server.gateway})
        message_id = await world.load(people(2, mail))

        for _ in range(30):
            await world.work(runtime)
            await world.settle(runtime)
            world.clock.advance(minutes=40)

        given = server.connections
        names = {email["Message-ID"] for email in server.emails()}

    taken = 6 if behaviour is Behaviour.TAKES_WITHOUT_ANSWER else 0
    assert given >= 6
    assert len(server.envelopes) == taken
    assert len(names) == (2 if taken else 0), "the copies of one e-mail have one Message-ID"
    rows = await world.deliveries(message_id)
    assert {(row.status, row.attempts, row.claim) for row in rows} == {
        (DeliveryStatus.FAILED, 3, None)
    }
    for row in rows:
        assert (await world.events(row.key))[-1].detail == MAY_HAVE_ARRIVED
    assert await world.status(message_id) is MessageStatus.SENT
    await world.recount()


async def test_an_email_that_the_server_refused_does_not_count_as_a_copy(world: World) -> None:
    """A server that is busy for hours has received nothing, so the email is retried without a limit of copies."""
    async with SmtpStandIn().running() as server:
        runtime = world.runtime_of({DeliveryMode.EMAIL: server.gateway})
        message_id = await world.load(people(1, mail))
        for number in range(12):
            silent = number in (4, 8)
            server.behaviour = Behaviour.LOSES if silent else Behaviour.IS_BUSY
            await world.work(runtime)
            await world.settle(runtime)
            world.clock.advance(minutes=40)
        row = await world.one(message_id)
        assert (row.status, row.copies) == (DeliveryStatus.PENDING, 2)

        server.behaviour = Behaviour.TAKES
        await world.work(runtime)

    assert await world.statuses(message_id) == {"SENT": 1}
    await world.recount()


async def test_an_email_without_an_answer_is_retried_after_half_an_hour(world: World) -> None:
    async with SmtpStandIn().running() as server:
        server.behaviour = Behaviour.LOSES
        runtime = world.runtime_of({DeliveryMode.EMAIL: server.gateway}, lease=timedelta(minutes=5))
        message_id = await world.load(people(1, mail))
        await world.work(runtime)

    row = await world.one(message_id)
    ((begun,),) = await world.columns_of(
        "select lease_until > CURRENT_TIMESTAMP from delivery"
        if not world.database.is_postgresql
        else "select lease_until > now() + interval '29 minutes' from delivery",
    )
    assert (row.status, bool(begun)) == (DeliveryStatus.IN_PROGRESS, True)


async def test_a_resent_email_may_have_three_more_copies(world: World) -> None:
    async with SmtpStandIn().running() as server:
        server.behaviour = Behaviour.LOSES
        runtime = world.runtime_of({DeliveryMode.EMAIL: server.gateway})
        message_id = await world.load(people(1, mail))
        for _ in range(4):
            await world.work(runtime)
            await world.settle(runtime)
            world.clock.advance(minutes=40)
        assert await world.statuses(message_id) == {"FAILED": 1}

        async def no_announcement(_: object) -> None: ...

        await resend(runtime, message_id, modes=[DeliveryMode.EMAIL], announce=no_announcement)

    row = await world.one(message_id)
    assert (row.status, row.copies, row.resends) == (DeliveryStatus.PENDING, 0, 1)


async def test_an_email_that_a_process_had_claimed_when_it_died_counts_as_a_copy(
    world: World,
) -> None:
    """It may have left."""
    given = asyncio.Event()

    async def forever() -> None:
        given.set()
        await asyncio.Event().wait()

    gateway = FakeGateway(meanwhile=forever, find=lambda _: CannotTell("it cannot be asked"))
    runtime = world.runtime_of(gateway)
    message_id = await world.load(people(1, mail))

    for _ in range(5):
        given.clear()
        working = asyncio.ensure_future(world.work(runtime))
        until = asyncio.ensure_future(given.wait())
        await asyncio.wait({working, until}, return_when=asyncio.FIRST_COMPLETED)
        for task in (working, until):
            task.cancel()
        await asyncio.gather(working, until, return_exceptions=True)
        await world.settle(runtime)
        world.clock.advance(hours=1)

    assert len(gateway.given) == 3
    row = await world.one(message_id)
    assert row.status is DeliveryStatus.FAILED
    assert (await world.events(row.key))[-1].detail == MAY_HAVE_ARRIVED
    await world.recount()
