"""The promise: a transaction that the database ends is retried if that is safe, and nothing is booked twice."""

import asyncio
from pathlib import Path

import httpx2
import pytest
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from structlog.testing import capture_logs

from db.connect.database import Database
from db.connect.unavailable import AWAY
from delivery.gateways.port import Gateway
from delivery.gateways.simulator.gateway import SimulatorBehavior, SimulatorGateway
from delivery.gateways.simulator.journal import Journal
from delivery.receipts.receipts import apply_receipts
from domain.receipts import Receipt
from domain.status import DeliveryStatus, EventSource
from server.http import responses
from server.process.simulator_feed import take_in_reports
from server.routes import callbacks
from tests.delivery.gateways.stand_ins import PUBLIC_URL, CallStandIn, MailgunStandIn
from tests.delivery.runners.kinds import PATIENCE, holds
from tests.delivery.world import Clock, Event, World, call, mail, people, runtime_of
from tests.interruptions import interrupted
from tests.log import NOON
from tests.server.routes.test_signed_callbacks import (
    SEALS,
    Signed,
    about,
    by_mailgun,
    happened,
    sent,
)


async def answered(database: Database, gateway: Gateway, request: Signed) -> httpx2.Response:
    """What a callback is answered by an application that has the handlers of the whole one."""
    target, body, headers = request
    app = Starlette(
        routes=callbacks.routes({gateway.name: [gateway]}, database=database, clock=Clock()),
        exception_handlers=dict.fromkeys(AWAY, responses.unavailable),
    )
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        return await client.post(target, content=body, headers=headers)


AGAIN = "the database ended a transaction; it is run again"


def was_said(lines: list[object]) -> list[object]:
    """The warnings that a transaction was run again."""
    return [line for line in lines if isinstance(line, dict) and line["event"] == AGAIN]


@pytest.mark.parametrize("at", ["seal", "delivery_event"])
async def test_a_callback_is_taken_in_though_the_database_ends_its_transaction(
    world: World, at: str
) -> None:
    delivery = await sent(world, MailgunStandIn)

    with interrupted(world.database, at) as interruption, capture_logs() as lines:
        assert await delivery.post(by_mailgun(happened(delivery, "delivered"))) == 200

    assert interruption
    assert len(was_said(list(lines))) == 1
    assert await delivery.heard() == [
        Event(DeliveryStatus.DELIVERED, None, EventSource.CALLBACK, "delivered")
    ]
    assert len(await world.columns_of(SEALS)) == 1
    assert await delivery.post(by_mailgun(happened(delivery, "delivered"))) == 406
    await world.recount()


async def test_a_callback_without_a_seal_is_taken_in_too(world: World) -> None:
    delivery = await sent(world, CallStandIn)

    with interrupted(world.database) as interruption:
        assert await delivery.post(about(delivery, "call", CallStatus="busy")) == 200

    assert interruption
    assert len(await delivery.heard()) == 1
    await world.recount()


@pytest.mark.parametrize("provider", [MailgunStandIn, CallStandIn])
async def test_a_callback_whose_commit_got_no_answer_is_no_replay(
    world: World, provider: type[MailgunStandIn | CallStandIn]
) -> None:
    delivery = await sent(world, provider)
    commits: list[None] = []

    def lose_the_answer() -> None:
        commits.append(None)
        if len(commits) == 1:
            raise OperationalError("COMMIT", {}, Exception("connection lost"))

    request = (
        by_mailgun(happened(delivery, "delivered"))
        if provider is MailgunStandIn
        else about(delivery, "call", CallStatus="busy")
    )
    with world.database.after_commits(lose_the_answer):
        assert await delivery.post(request) == 200

    assert len(commits) == 2
    assert {event.status for event in await delivery.heard()} <= {
        DeliveryStatus.DELIVERED,
        DeliveryStatus.FAILED,
    }
    await world.recount()


async def test_a_callback_that_two_ended_transactions_refuse_may_come_again(world: World) -> None:
    delivery = await sent(world, MailgunStandIn)
    before = await delivery.all_rows()
    request = by_mailgun(happened(delivery, "delivered"))

    with interrupted(world.database, times=2), capture_logs() as lines:
        answer = await answered(world.database, delivery.gateway, request)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == [
        AGAIN,
        "request failed: the database is away",
    ]
    assert await delivery.all_rows() == before
    assert await delivery.post(request) == 200


async def test_receipts_are_taken_in_though_the_database_ends_a_transaction(world: World) -> None:
    first = await world.load(people(2, call))
    second = await world.load(people(1, call), id="M-2")
    await world.work()
    receipts = [Receipt(NOON, DeliveryStatus.DELIVERED, 5, key=key) for key in world.gateway.keys]

    with interrupted(world.database) as interruption:
        changed = await apply_receipts(
            world.database, "fake", receipts, source=EventSource.CALLBACK, now=NOON
        )

    assert interruption
    assert changed == 3
    for message_id in (first, second):
        for row in await world.deliveries(message_id):
            callbacks = [
                event
                for event in await world.events(row.key)
                if event.source is EventSource.CALLBACK
            ]
            assert (row.call_status, len(callbacks)) == (5, 1)
    await world.recount()


@pytest.mark.parametrize("times", [1, 2], ids=["ended once", "ended twice"])
async def test_what_the_simulated_provider_reports_waits_for_the_database(
    world: World, tmp_path: Path, times: int
) -> None:
    clock, journal = Clock(), tmp_path / "simulator.ndjson"
    gateway = SimulatorGateway(
        Journal(journal), clock=clock, temper=SimulatorBehavior(outcome_after=(10.0, 10.0))
    )
    await world.load(people(3, mail))
    await world.work(runtime_of(world.database, clock, gateway))
    clock.advance(seconds=30)
    until = asyncio.Event()
    heard = "select 1 from delivery_event where source = 'CALLBACK'"

    async def all_are_heard() -> bool:
        return len(await world.columns_of(heard)) >= 3

    with interrupted(world.database, times=times) as interruptions:
        feed = asyncio.create_task(
            take_in_reports(
                gateway, database=world.database, clock=clock, journal=journal, until=until
            )
        )
        await holds(world.database, all_are_heard)
        until.set()
        async with asyncio.timeout(PATIENCE):
            await feed

    assert len(interruptions) == times
    assert len(await world.columns_of(heard)) == 3
    await gateway.close()
    await world.recount()
