"""The promise: from 250 ms after the response to a cancellation no request begins, also for earlier claims."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import Envelope, Session
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from db.connect.database import Database
from delivery.dispatch.cancel_gate import FRESH, CancelGate
from delivery.dispatch.runtime import Runtime
from delivery.gateways.base import Accepted, NotAttempted
from delivery.gateways.port import Closed, Gateway
from delivery.gateways.twilio.gateway import TwilioGateway
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from tests.delivery.gateways.stand_ins import CallStandIn, MailgunStandIn, SmtpStandIn, TextStandIn
from tests.delivery.world import Clock, FakeGateway, World, call, mail, people, text_to
from tests.log import NOON

ANSWERED: tuple[float, ...] = (0.25, 1.0, 3600.0)
"""Seconds after the answer to a cancellation at which no request may begin."""


class Monotonic:
    """A monotonic clock that a test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def figures(world: World) -> list[tuple[Any, ...]]:
    """Return how many deliveries a cancellation stopped, and how many had left."""
    return await world.columns_of("select stopped, already_sent from cancellation")


# The gate


def gate_of(database: Database, message_id: int, clock: Clock, seconds: Monotonic) -> CancelGate:
    return CancelGate(
        database,
        message_id,
        send_by=NOON + timedelta(minutes=2),
        clock=clock,
        monotonic=seconds,
    )


async def running(world: World) -> int:
    """Import a message and start it."""
    message_id = await world.load(people(1, call))
    await world.work({})
    return message_id


async def test_requests_share_a_read_of_the_status_for_200_ms(world: World) -> None:
    seconds = Monotonic()
    gate = gate_of(world.database, await running(world), world.clock, seconds)
    reads: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            reads.append(statement)

    event.listen(world.database.engine.sync_engine, "before_cursor_execute", note)

    await asyncio.gather(*(gate() for _ in range(20)))
    seconds.now += 0.9 * FRESH
    await gate()
    assert len(reads) == 1
    seconds.now += 0.2 * FRESH
    await gate()
    assert len(reads) == 2


@pytest.mark.parametrize("passed", ANSWERED)
async def test_the_gate_is_closed_when_the_answer_is_a_quarter_of_a_second_old(
    world: World, passed: float
) -> None:
    message_id, seconds = await running(world), Monotonic()
    gate = gate_of(world.database, message_id, world.clock, seconds)
    await gate()

    await world.cancel(message_id)
    seconds.now += passed

    for _ in range(2):  # and stays closed
        with pytest.raises(Closed, match="canceled before it left"):
            await gate()


async def test_the_age_of_a_status_counts_from_before_its_read(world: World) -> None:
    """A cancellation may commit while the result of the read is on its way."""
    seconds = Monotonic()
    gate = gate_of(world.database, await running(world), world.clock, seconds)

    def slow(*_: object) -> None:
        seconds.now += FRESH

    event.listen(world.database.engine.sync_engine, "after_cursor_execute", slow)

    with pytest.raises(Closed, match="too slow"):
        await gate()


async def test_the_gate_is_closed_while_the_database_does_not_answer(world: World) -> None:
    gate = gate_of(world.database, await running(world), world.clock, Monotonic())

    def gone(*_: object) -> None:
        raise OperationalError("select", {}, Exception("the connection is closed"))

    event.listen(world.database.engine.sync_engine, "before_cursor_execute", gone)
    with pytest.raises(Closed, match="cannot show"):
        await gate()
    event.remove(world.database.engine.sync_engine, "before_cursor_execute", gone)
    await gate()


async def test_the_gate_is_closed_when_the_claim_is_about_to_end(world: World) -> None:
    gate = gate_of(world.database, await running(world), world.clock, Monotonic())
    await gate()

    world.clock.advance(minutes=2)

    with pytest.raises(Closed, match="its claim is about to end"):
        await gate()


# Through the gateways


class HeldBack:
    """Makes a provider's answers wait until it is opened, and counts the waiting requests."""

    def __init__(self, enough: int) -> None:
        self.enough = enough
        self.waiting = 0
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self) -> None:
        self.waiting += 1
        if self.waiting == self.enough:
            self.reached.set()
        await self.opened.wait()


def holding(provider: CallStandIn | TextStandIn | MailgunStandIn, held_back: HeldBack) -> None:
    """Make an HTTP provider receive each request at once, and answer when it is released."""
    take = provider._handle

    async def handle(request: httpx2.Request) -> httpx2.Response:
        answer = await take(request)
        await held_back()
        return answer

    provider.client._transport = httpx2.MockTransport(handle)


async def cancel_meanwhile(
    world: World, runtime: Runtime, held_back: HeldBack, seconds: Monotonic, *, passed: float
) -> None:
    """Work, and cancel message 1 when `enough` requests wait at the provider; it answers `passed` seconds later."""
    working = asyncio.create_task(world.work(runtime))
    async with asyncio.timeout(30):
        await held_back.reached.wait()
        await world.cancel(1)
        seconds.now += passed
        held_back.opened.set()
        await working


@pytest.mark.parametrize("passed", ANSWERED)
@pytest.mark.parametrize(("provider", "device"), [(CallStandIn, call), (TextStandIn, text_to)])
async def test_claimed_calls_and_texts_that_have_not_left_are_canceled_and_counted_as_stopped(
    world: World,
    provider: type[CallStandIn | TextStandIn],
    device: Callable[[int], Any],
    passed: float,
) -> None:
    """Before the gate, 86 of 150 claimed calls were placed after the response."""
    twilio, seconds, held_back = provider(), Monotonic(), HeldBack(16)
    holding(twilio, held_back)
    gateway: Gateway = twilio.gateway
    runtime = world.runtime_of({twilio.mode: gateway}, monotonic=seconds)
    # From 1: the number of person 0 is the one that the provider refuses.
    message_id = await world.load(people(150, lambda number: device(number + 1)))

    await cancel_meanwhile(world, runtime, held_back, seconds, passed=passed)
    assert held_back.waiting == len(twilio.made) == 16
    await world.work(runtime)  # what was not claimed

    assert len(twilio.made) == 16
    assert await world.statuses(message_id) == {"IN_PROGRESS": 16, "CANCELED": 134}
    assert await figures(world) == [(134, 16)]
    assert await world.status(message_id) is MessageStatus.CANCELED_IN_PROGRESS
    await world.recount()


async def test_a_request_that_waits_for_a_connection_passes_the_gate_when_it_has_one(
    world: World,
) -> None:
    """Over a real connection: the second request passes the gate, then waits for the connection of the first."""
    seconds, held_back, requests = Monotonic(), HeldBack(1), list[bytes]()
    body = b'{"sid": "CA%032x", "status": "queued"}' % 1

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        requests.append(head)
        await held_back()
        answer = b"HTTP/1.1 201 Created\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    limits = httpx2.Limits(max_connections=1)
    async with server, httpx2.AsyncClient(limits=limits, trust_env=False) as client:
        gateway = TwilioGateway(
            client,
            url=f"http://127.0.0.1:{port}",
            account_sid="AC1",
            auth_token="token",
            caller="+16125550199",
            public_url="https://log.plainview.example",
        )
        runtime = world.runtime_of({DeliveryMode.VOICE: gateway}, monotonic=seconds)
        message_id = await world.load(people(2, call))
        await cancel_meanwhile(world, runtime, held_back, seconds, passed=0.25)

    assert len(requests) == 1
    assert await world.statuses(message_id) == {"IN_PROGRESS": 1, "CANCELED": 1}
    await world.recount()


class SlowToName(SmtpStandIn):
    """A mail server that answers each RCPT only when it is released."""

    def __init__(self, held_back: HeldBack) -> None:
        super().__init__()
        self.held_back = held_back

    async def handle_RCPT(
        self, server: Server, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await self.held_back()
        return await super().handle_RCPT(server, session, envelope, address, options)


async def test_an_email_after_rcpt_is_not_sent_after_a_cancel(world: World) -> None:
    seconds, held_back = Monotonic(), HeldBack(8)
    async with SlowToName(held_back).running() as server:
        runtime = world.runtime_of({DeliveryMode.EMAIL: server.gateway}, monotonic=seconds)
        message_id = await world.load(people(20, mail))

        await cancel_meanwhile(world, runtime, held_back, seconds, passed=0.25)

        assert server.envelopes == []
    assert await world.statuses(message_id) == {"CANCELED": 20}
    assert await figures(world) == [(20, 0)]
    await world.recount()


async def test_a_request_that_was_rejected_whole_is_not_retried_in_halves_after_a_cancel(
    world: World,
) -> None:
    mailgun, seconds, held_back = MailgunStandIn(), Monotonic(), HeldBack(1)
    mailgun.bad = "p3@nomail.example"  # type: ignore[misc]
    holding(mailgun, held_back)
    runtime = world.runtime_of({DeliveryMode.EMAIL: mailgun.gateway}, monotonic=seconds)
    message_id = await world.load(people(8, mail))

    await cancel_meanwhile(world, runtime, held_back, seconds, passed=0.25)

    assert (len(mailgun.requests), mailgun.taken()) == (1, [])
    assert await world.statuses(message_id) == {"CANCELED": 8}
    await world.recount()


# What follows


async def test_a_message_of_which_nothing_left_is_canceled_and_not_canceled_in_progress(
    world: World,
) -> None:
    """At the cancel its deliveries were claimed, so they might have left; then the gate stopped all of them."""
    message_id = await world.load(people(3, call))

    class Stopped(FakeGateway):
        async def transmit(self, composed: Any, passage: Any) -> Any:
            await world.cancel(message_id)
            assert await world.status(message_id) is MessageStatus.CANCELED_IN_PROGRESS
            seconds.now += 0.25
            return await super().transmit(composed, passage)

    seconds = Monotonic()
    await world.work(world.runtime_of(Stopped(), monotonic=seconds))

    assert await world.statuses(message_id) == {"CANCELED": 3}
    assert await figures(world) == [(3, 0)]
    assert await world.status(message_id) is MessageStatus.CANCELED
    await world.recount()


async def test_a_delivery_that_was_not_attempted_counts_no_attempt_and_goes_with_the_next_wave(
    world: World,
) -> None:
    message_id = await world.load(people(2, call))

    class LateOnce(FakeGateway):
        async def transmit(self, composed: Any, passage: Any) -> Any:
            if not self.waves:
                self.waves.append(0)
                world.clock.advance(minutes=2)  # as long as a claim allows
            return await super().transmit(composed, passage)

    gateway = world.use(LateOnce())
    await world.work()
    held = await world.deliveries(message_id)
    assert gateway.given == []
    assert {(row.status, row.attempts, row.claim) for row in held} == {
        (DeliveryStatus.PENDING, 0, None)
    }

    await world.work()

    rows = await world.deliveries(message_id)
    assert {(row.status, row.attempts) for row in rows} == {(DeliveryStatus.IN_PROGRESS, 1)}
    assert len(gateway.given) == 2
    await world.recount()


async def test_a_gate_that_stops_some_requests_keeps_the_outcomes_of_the_others(
    database: Database,
) -> None:
    calls, reads = CallStandIn(), list[int]()

    async def gate() -> None:
        reads.append(1)
        if len(reads) > 1:
            raise Closed("canceled before it left")

    outcomes = await calls.gateway.send(calls.handovers(*calls.good), gate=gate)

    assert [type(one) for one in outcomes] == [Accepted, NotAttempted, NotAttempted]
    assert len(calls.made) == 1
