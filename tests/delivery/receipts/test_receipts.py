"""The promise: the state of a delivery depends only on the set of its receipts, and every figure follows at once."""

from datetime import timedelta

import pytest

from delivery.dispatch.resend import resend
from delivery.gateways.base import Accepted, NotAccepted
from delivery.receipts.receipts import apply_receipts
from domain.modes import PHONE_MODES
from domain.status import DeliveryStatus, EventSource, MessageStatus
from tests.delivery.receipts.receiving import hand_over_all, receipt_of, receive
from tests.delivery.world import Event, FakeGateway, World, call, mail, number_of, people
from tests.log import NOON

# One receipt


async def test_a_receipt_changes_state_event_figures_and_revision(world: World) -> None:
    message_id = await hand_over_all(world, people(1, call))
    before = (await world.message(message_id)).revision

    assert await receive(world, receipt_of(message_id, detail="completed")) == 1

    row = await world.one(message_id)
    assert (row.status, row.call_status, row.at) == (
        DeliveryStatus.DELIVERED,
        5,
        NOON + timedelta(seconds=1),
    )
    assert (await world.events(row.key))[-1] == Event(
        DeliveryStatus.DELIVERED, 5, EventSource.CALLBACK, "completed"
    )
    found = await world.message(message_id)
    assert (found.people_contacted, found.status, found.revision) == (
        1,
        MessageStatus.SENT,
        before + 1,
    )
    await world.recount()


async def test_a_receipt_finds_its_delivery_by_the_provider_s_id_and_the_address(
    world: World,
) -> None:
    message_id = await hand_over_all(world, people(2, call))
    receipt = receipt_of(message_id)._replace(
        key=None, reference=f"REF-{message_id}.1.0-1", address=number_of(1)
    )

    assert await receive(world, receipt) == 1
    assert [row.call_status for row in await world.deliveries(message_id)] == [None, 5]


@pytest.mark.parametrize(
    "key",
    [
        "1.0.99",
        "4711.0.0",
        "1.0",
        "1.0.0.0.0",
        "x.0.0",
        "1.0.-1",
        "99999999999999999999.0.0",
        "",
        None,
    ],
)
async def test_a_receipt_of_no_delivery_of_ours_changes_nothing(
    world: World, key: str | None
) -> None:
    message_id = await hand_over_all(world, people(1, call))
    before = await world.everything()

    receipt = receipt_of(message_id)._replace(key=key, reference="nobody's")
    assert await receive(world, receipt) == 0
    assert await world.everything() == before


async def test_a_provider_s_receipts_apply_only_to_its_own_deliveries(world: World) -> None:
    message_id = await hand_over_all(world, people(1, call))
    before = await world.everything()

    receipts = [
        receipt_of(message_id),
        receipt_of(message_id)._replace(key=None, reference=f"REF-{message_id}.0.0-1"),
    ]
    changed = await apply_receipts(
        world.database, "other", receipts, source=EventSource.CALLBACK, now=NOON
    )
    assert changed == 0
    assert await world.everything() == before


async def test_a_receipt_with_an_unknown_status_is_kept_and_changes_nothing(world: World) -> None:
    message_id = await hand_over_all(world, people(1, call))
    before = await world.one(message_id)

    assert (
        await receive(world, receipt_of(message_id, status=None, code=None, detail="pondering"))
        == 0
    )

    assert await world.one(message_id) == before
    assert (await world.events(before.key))[-1] == Event(
        DeliveryStatus.IN_PROGRESS, None, EventSource.CALLBACK, "pondering"
    )
    await world.recount()


async def test_every_receipt_is_kept_also_a_repeated_one(world: World) -> None:
    message_id = await hand_over_all(world, people(1, call))
    late = receipt_of(message_id, status=DeliveryStatus.IN_PROGRESS, code=17, after=0.5)

    assert await receive(world, receipt_of(message_id)) == 1
    assert await receive(world, receipt_of(message_id), late) == 0

    row = await world.one(message_id)
    assert [(e.status, e.call_status) for e in (await world.events(row.key))[1:]] == [
        (DeliveryStatus.DELIVERED, 5),
        (DeliveryStatus.DELIVERED, 5),
        (DeliveryStatus.IN_PROGRESS, 17),
    ]
    await world.recount()


async def test_a_poll_with_known_receipts_leaves_no_event(world: World) -> None:
    message_id = await hand_over_all(world, people(1, call))
    answer = [
        receipt_of(message_id, status=DeliveryStatus.IN_PROGRESS, code=17),
        receipt_of(message_id),
    ]
    assert await receive(world, *answer, source=EventSource.REFRESH) == 1
    before = await world.everything()

    assert await receive(world, *answer, source=EventSource.REFRESH) == 0
    assert await world.everything() == before


# Cancellation, resend and claims


async def test_a_late_receipt_cannot_revive_a_canceled_delivery_and_shows_that_it_had_left(
    world: World,
) -> None:
    world.use(FakeGateway(answer=lambda _: NotAccepted("busy")))
    message_id = await world.load(people(2, call))
    await world.work()
    await world.cancel(message_id)
    await world.work()

    await receive(world, receipt_of(message_id))

    row = (await world.deliveries(message_id))[0]
    assert (row.status, row.call_status, row.at) == (DeliveryStatus.CANCELED, 5, NOON)
    assert (await world.events(row.key))[-1].status is DeliveryStatus.DELIVERED
    assert await world.status(message_id) is MessageStatus.CANCELED
    assert (await world.message(message_id)).people_contacted == 1
    await world.recount()


async def test_a_receipt_of_an_earlier_sending_does_not_change_the_current_one(
    world: World,
) -> None:
    message_id = await hand_over_all(world, people(1, call))
    await receive(world, receipt_of(message_id, status=DeliveryStatus.FAILED, code=0))

    async def no_announcement(_: object) -> None: ...

    await resend(world.runtime, message_id, modes=PHONE_MODES, announce=no_announcement)
    await receive(world, receipt_of(message_id))

    row = await world.one(message_id)
    assert (row.status, row.call_status) == (DeliveryStatus.PENDING, None)
    assert (await world.events(row.key))[-1].status is DeliveryStatus.DELIVERED
    await world.work()
    second = receipt_of(message_id)._replace(key=f"{message_id}.0.0.1")
    await receive(world, second)
    assert (await world.one(message_id)).status is DeliveryStatus.DELIVERED
    await world.recount()


async def test_a_receipt_for_a_pending_delivery_prevents_a_second_hand_over(world: World) -> None:
    """The database was restored from a backup before the hand-over, or a claim was settled too early."""
    message_id = await world.load(people(1, call))

    await receive(
        world,
        receipt_of(message_id, status=DeliveryStatus.IN_PROGRESS, code=None, reference="R"),
    )
    await world.work()

    assert world.gateway.given == []
    row = await world.one(message_id)
    assert (row.status, row.gateway, row.reference) == (DeliveryStatus.IN_PROGRESS, "fake", "R")
    assert row.handed_at is not None
    await world.recount()


async def test_the_first_receipt_ends_a_claim_that_waits_for_an_answer(world: World) -> None:
    world.use(FakeGateway(answer=lambda h: Accepted(None, DeliveryStatus.SENT)))
    message_id = await world.load(people(1, mail))

    async def called_back() -> None:
        await receive(world, receipt_of(message_id, status=DeliveryStatus.IN_PROGRESS, code=None))

    world.runtime.gateways[next(iter(world.runtime.gateways))].meanwhile = called_back  # type: ignore[attr-defined]
    await world.work()

    assert await world.settle() == 0
    assert await world.statuses(message_id) == {"SENT": 1}
    await world.recount()
