"""The promise: with any mix of good and bad addresses, each good one gets each message once."""

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

import httpx2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from db.connect.database import Database
from delivery.dispatch.delivery_names import spell
from domain.addresses import InvalidAddress, normalise
from domain.status import OPEN, DeliveryMode, DeliveryStatus
from tests import log
from tests.delivery.gateways.stand_ins import CallStandIn, MailgunStandIn, SmtpStandIn, StandIn
from tests.delivery.runners.kinds import PATIENCE, ROOT, holds_anywhere
from tests.delivery.world import Clock, World, number_of, people, runtime_of
from tests.live_server import serving

PEOPLE: Final = 550
"""Two chunks."""

BAD: Final = 50
FAMILIES: Final = 240

LARGE: Final = settings(
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ]
)
"""An example is a whole list of addresses, and each begins with an empty log."""

TROUBLE: Final = "\"'`,;:<>()[]{}\\|@.. \t\u00a0\u200b\ufeff\u202e\u0130\u00df%=?!\u0301\x01"

_word = st.text(st.sampled_from("abcxyz019" + TROUBLE), min_size=0, max_size=12)

PRINTABLE: Final = st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"], include_characters=" ")

malformed = st.one_of(
    st.builds(lambda a, b: f"{a}@{b}", _word, _word),
    st.builds(lambda a, b: f"{a}nomail.example{b}", _word, _word),
    st.builds(
        lambda n, at, what: (a := f"good{n}@nomail.example")[:at] + what + a[at:],
        st.integers(0, PEOPLE - 1),
        st.integers(0, 20),
        st.sampled_from(TROUBLE),
    ),
    st.builds(lambda n: f"Parent, {n} <good{n}@nomail.example>;", st.integers(0, PEOPLE - 1)),
    st.builds(lambda a, n: f"{a},good{n}@nomail.example", _word, st.integers(0, PEOPLE - 1)),
    st.sampled_from(
        [
            'c@nomail.example,"',
            "x@[10.0.0.1",
            "().>@>a",
            "heather@",
            "@",
            "",
            " ",
            "<>",
            '"@x.example',
        ],
    ),
    st.text(PRINTABLE, max_size=40),
)


def readable(text: str) -> str | None:
    """Return the normalised address; None if it cannot be read."""
    try:
        return normalise(DeliveryMode.EMAIL, text).key
    except InvalidAddress:
        return None


async def clear(database: Database) -> None:
    """Remove the rows of the last example."""
    async with database.writing() as connection:
        for table in (
            "delivery_event",
            "address_failures",
            "delivery",
            "recipient",
            "tally",
            "span",
            "figure",
            "figure_change",
            "content",
            "message",
        ):
            await connection.exec_driver_sql(f"DELETE FROM {table}")


async def send_to(world: World, provider: StandIn, bad: Sequence[str]) -> tuple[int, Counter[str]]:
    """Send one message to good and bad addresses. Return how often each address got it."""
    clock = Clock()
    every = PEOPLE // BAD
    addresses = [
        bad[n // every] if n % every == every - 1 else f"good{n}@nomail.example"
        for n in range(PEOPLE)
    ]
    message_id = await world.load(people(PEOPLE, lambda n: log.email(addresses[n])))
    runtime = runtime_of(world.database, clock, {DeliveryMode.EMAIL: provider.gateway})
    for _ in range(6):
        await world.work(runtime)
        await world.settle(runtime)
        clock.advance(minutes=40)
    return message_id, Counter(provider.taken())


async def check(world: World, message_id: int, got: Counter[str], bad: Sequence[str]) -> None:
    """Check that each readable address got one email, others none, and that all figures match the rows."""
    every = PEOPLE // BAD
    good = {f"good{n}@nomail.example" for n in range(PEOPLE) if n % every != every - 1}
    assert got == Counter(good | {key for text in bad if (key := readable(text)) is not None})
    rows = await world.deliveries(message_id)
    assert len(rows) == PEOPLE
    assert not [row for row in rows if row.status in OPEN or row.claim]
    sent = [row for row in rows if not row.is_duplicate and row.status is DeliveryStatus.SENT]
    assert len(sent) == got.total()
    await world.recount()


@settings(LARGE, max_examples=3)
@given(bad=st.lists(malformed, min_size=BAD, max_size=BAD))
async def test_each_good_address_gets_one_email_from_a_mail_server_whatever_the_others_are(
    world: World, bad: list[str]
) -> None:
    await clear(world.database)
    async with SmtpStandIn().running() as server:
        message_id, got = await send_to(world, server, bad)
    await check(world, message_id, got, bad)


@settings(LARGE, max_examples=4)
@given(bad=st.lists(malformed, min_size=BAD, max_size=BAD))
async def test_each_good_address_gets_one_email_from_mailgun_whatever_the_others_are(
    world: World, bad: list[str]
) -> None:
    await clear(world.database)
    mailgun = MailgunStandIn()
    message_id, got = await send_to(world, mailgun, bad)
    await check(world, message_id, got, bad)


# Killed in the middle


@asynccontextmanager
async def worker(database_url: str, smtp_port: int, twilio_url: str) -> AsyncIterator[Process]:
    """Run a worker process with real gateways. It is stopped at the end, unless it was killed.

    Nothing here blocks the event loop: the mail server runs on it, and the worker sends QUIT to it.
    """
    arguments = [database_url, str(smtp_port), twilio_url]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.delivery.processes.provider_worker", *arguments, cwd=ROOT
    )
    try:
        yield process
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class LiveCalls(CallStandIn):
    """A stand-in for Twilio that dates calls by the time of their request."""

    def take(self, request: httpx2.Request, form: Mapping[str, list[str]]) -> httpx2.Response:
        answer = super().take(request, form)
        if self.made:
            self.made[0]["date_created"] = format_datetime(datetime.now(UTC))
        return answer


def twilio_app(calls: CallStandIn) -> Starlette:
    """Return the stand-in as a server on loopback."""

    async def answer(request: Request) -> Response:
        try:
            body = await request.body()
        except ClientDisconnect:  # the worker was killed in the middle of its request
            return Response()
        given = httpx2.Request(request.method, str(request.url), content=body)
        said = await calls._handle(given)
        return Response(said.content, status_code=said.status_code, media_type="application/json")

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])


async def test_a_killed_worker_sends_nothing_again_that_was_recorded_and_calls_nobody_twice(
    world: World, database_url: str
) -> None:
    calls = LiveCalls()
    message_id = await world.load(
        people(
            FAMILIES,
            lambda n: log.email(f"good{n}@nomail.example" if n % 12 else f"bad{n}@@nomail.example"),
            lambda n: log.voice(number_of(n + 1)),
        ),
    )

    async def some_have_left() -> bool:
        return len(server.envelopes) >= FAMILIES // 4 and len(calls.made) >= FAMILIES // 4

    async def all_are_settled() -> bool:
        open_ = "select 1 from delivery where status = 'PENDING' or claim is not null limit 1"
        return not await world.columns_of(open_)

    async with SmtpStandIn().running() as server:
        port = server._server.sockets[0].getsockname()[1]
        async with AsyncExitStack() as stack:
            twilio_url = stack.enter_context(serving(twilio_app(calls)))
            victim = await stack.enter_async_context(worker(database_url, port, twilio_url))
            await holds_anywhere(world.database, message_id, some_have_left)
            victim.kill()
            await victim.wait()
            await world.lapse()
            recorded = {
                row.address
                for row in await world.deliveries(message_id)
                if row.mode is DeliveryMode.EMAIL and row.status is DeliveryStatus.SENT
            }
            await stack.enter_async_context(worker(database_url, port, twilio_url))
            await holds_anywhere(world.database, message_id, all_are_settled)

    emails, placed = Counter(server.taken()), Counter(calls.taken())
    assert set(placed.values()) == {1}
    assert {emails[address] for address in recorded} == {1}
    assert max(emails.values()) <= 2
    rows = [row for row in await world.deliveries(message_id) if not row.is_duplicate]
    given = {f"good{n}@nomail.example" for n in range(FAMILIES) if n % 12}
    assert emails.keys() == given
    assert not [row for row in rows if row.status in OPEN and row.reference is None]
    for row in rows:
        if row.mode is DeliveryMode.VOICE and row.status is not DeliveryStatus.FAILED:
            assert placed[row.address] == 1, spell(row)
    await world.recount()
