"""The promise: a process that lost its claim sends nothing more, and only an acceptance of it is recorded."""

from datetime import timedelta

import pytest

from delivery.dispatch.handover import hand_over
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
from delivery.receipts.receipts import apply_receipts
from domain.receipts import Receipt
from domain.status import DeliveryStatus, EventSource
from resolvers.request.process import announce_nothing
from tests.delivery.world import ALL_MODES, FakeGateway, World, call, mail, people
from tests.log import NOON


def refuse(handover: Handover) -> Outcome:
    return Refused("no such number", code=-2)


def busy(handover: Handover) -> Outcome:
    return NotAccepted("busy")


def mute(handover: Handover) -> Outcome:
    return Unsure("no answer")


async def test_a_process_that_was_suspended_after_its_claim_sends_nothing_when_it_resumes(
    world: World,
) -> None:
    """Another process may have its claim now, and may have asked the provider whether it had left."""
    sleeper, other = FakeGateway(), FakeGateway()
    message_id = await world.load(people(1, call))

    runtime = world.runtime_of(sleeper, send_limit=timedelta(minutes=2))
    with world.database.after_commits(lambda: world.clock.advance(minutes=2)):
        await hand_over(runtime, message_id, 0)

    assert sleeper.given == []
    row = await world.one(message_id)
    assert (row.status, row.claim) == (DeliveryStatus.PENDING, None)
    await world.work(other)
    assert other.keys == [f"{message_id}.0.0"]
    await world.recount()


@pytest.mark.parametrize("answer", [refuse, busy, mute])
async def test_an_outcome_after_the_claim_was_lost_undoes_nothing(
    world: World, answer: object
) -> None:
    """While the first waited for its answer, the lease ended, nothing had arrived, and another process sent it."""
    message_id = await world.load(people(1, mail))
    second = world.runtime

    async def taken_over() -> None:
        await world.settle(second)
        await world.work(second)

    first = FakeGateway(answer=answer, meanwhile=taken_over)  # type: ignore[arg-type]
    await world.work(first)

    row = await world.one(message_id)
    assert (row.status, row.reference, row.attempts) == (
        DeliveryStatus.IN_PROGRESS,
        f"REF-{message_id}.0.0-2",
        2,
    )
    await world.recount()


async def test_an_acceptance_after_the_claim_was_lost_is_recorded(world: World) -> None:
    message_id = await world.load(people(1, call))
    second = FakeGateway(find=lambda _: NotAtProvider())

    async def taken_over() -> None:
        await world.settle(second)
        assert (await world.one(message_id)).status is DeliveryStatus.PENDING

    await world.work(FakeGateway(meanwhile=taken_over))
    await world.work(second)

    assert second.given == []
    row = await world.one(message_id)
    assert (row.status, row.reference) == (DeliveryStatus.IN_PROGRESS, f"REF-{message_id}.0.0-1")
    await world.recount()


async def test_an_answer_after_a_resend_belongs_to_the_earlier_sending(world: World) -> None:
    message_id = await world.load(people(1, call))
    other = FakeGateway(
        answer=lambda h: Accepted(f"REF-{h.key}", DeliveryStatus.DELIVERED, 5),
        find=lambda _: CannotTell("who knows"),
    )
    second = world.runtime_of(other)

    async def sent_again() -> None:
        await world.settle(second)
        assert (await world.one(message_id)).status is DeliveryStatus.FAILED
        assert await resend(second, message_id, modes=ALL_MODES, announce=announce_nothing) == 1

    await world.work(FakeGateway(meanwhile=sent_again))

    row = await world.one(message_id)
    assert (row.status, row.reference, row.resends) == (DeliveryStatus.PENDING, None, 1)
    assert (await world.events(row.key))[-1].status is DeliveryStatus.IN_PROGRESS
    await world.work(second)
    row = await world.one(message_id)
    assert (row.status, row.reference) == (DeliveryStatus.DELIVERED, f"REF-{message_id}.0.0.1")
    await world.recount()


async def test_a_receipt_before_the_answer_stays_and_its_reference_is_kept(world: World) -> None:
    message_id = await world.load(people(1, call))

    async def called_back() -> None:
        receipt = Receipt(NOON, DeliveryStatus.DELIVERED, 5, key=f"{message_id}.0.0")
        await apply_receipts(
            world.database, "fake", [receipt], source=EventSource.CALLBACK, now=NOON
        )

    await world.work(FakeGateway(meanwhile=called_back))

    row = await world.one(message_id)
    assert (row.status, row.call_status, row.claim) == (DeliveryStatus.DELIVERED, 5, None)
    assert row.reference == f"REF-{message_id}.0.0-1"
    await world.recount()
