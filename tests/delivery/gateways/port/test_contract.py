"""The promises of every gateway, each tested against a stand-in for its provider."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from delivery.gateways.base import (
    Accepted,
    CannotTell,
    FoundAtProvider,
    NotAccepted,
    NotAtProvider,
    Refused,
    Sent,
    Unavailable,
    Unsure,
)
from delivery.gateways.inbox import InboxGateway
from domain.status import DeliveryMode, DeliveryStatus
from tests.delivery.gateways.simulator.stand_in import SimulatorStandIn
from tests.delivery.gateways.stand_ins import (
    NOON,
    Behaviour,
    CallStandIn,
    MailgunStandIn,
    SmtpStandIn,
    StandIn,
    TextStandIn,
    content,
)

LATER = NOON + timedelta(hours=1)
LEFT = {DeliveryStatus.IN_PROGRESS, DeliveryStatus.SENT, DeliveryStatus.DELIVERED}


@asynccontextmanager
async def _running(kind: type[StandIn]) -> AsyncIterator[StandIn]:
    if issubclass(kind, SmtpStandIn):
        async with kind().running() as stand_in:
            yield stand_in
    else:
        yield kind()


OVER_HTTP = [MailgunStandIn, CallStandIn, TextStandIn]


@pytest.fixture(params=[SmtpStandIn, *OVER_HTTP, SimulatorStandIn])
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[StandIn]:
    """Each provider."""
    async with _running(request.param) as stand_in:
        yield stand_in


@pytest.fixture(params=[SmtpStandIn, *OVER_HTTP])
async def talker(request: pytest.FixtureRequest) -> AsyncIterator[StandIn]:
    """Each provider whose answers have a body, which may be nonsense."""
    async with _running(request.param) as stand_in:
        yield stand_in


@pytest.fixture(params=[*OVER_HTTP, SimulatorStandIn])
async def searchable(request: pytest.FixtureRequest) -> AsyncIterator[StandIn]:
    """Each provider that can look up deliveries."""
    async with _running(request.param) as stand_in:
        yield stand_in


@pytest.fixture(params=OVER_HTTP)
async def remote(request: pytest.FixtureRequest) -> AsyncIterator[StandIn]:
    """Each provider whose list is complete only later, and may be garbled."""
    async with _running(request.param) as stand_in:
        yield stand_in


async def test_deliveries_are_accepted_in_order_and_arrive_once(provider: StandIn) -> None:
    outcomes = await provider.gateway.send(provider.handovers(*provider.good))

    assert [type(outcome) for outcome in outcomes] == [Accepted] * 3
    assert {outcome.status for outcome in outcomes if isinstance(outcome, Accepted)} <= LEFT
    assert sorted(provider.taken()) == sorted(provider.good)


async def test_no_hand_overs_give_no_outcomes(provider: StandIn) -> None:
    assert await provider.gateway.send([]) == []
    assert provider.taken() == []


async def test_a_refused_address_does_not_stop_its_neighbours(provider: StandIn) -> None:
    first, second, _ = provider.good

    outcomes = await provider.gateway.send(provider.handovers(first, provider.bad, second))

    assert [type(outcome) for outcome in outcomes] == [Accepted, Refused, Accepted]
    assert sorted(provider.taken()) == sorted([first, second])


async def test_the_reason_of_a_refusal_has_no_address(provider: StandIn) -> None:
    [outcome] = await provider.gateway.send(provider.handovers(provider.bad))

    assert isinstance(outcome, Refused)
    assert outcome.status is DeliveryStatus.FAILED
    assert outcome.reason
    assert provider.bad not in outcome.reason


async def test_a_busy_provider_accepts_nothing(provider: StandIn) -> None:
    provider.behaviour = Behaviour.IS_BUSY

    outcomes = await provider.gateway.send(provider.handovers(*provider.good))

    assert [type(outcome) for outcome in outcomes] == [NotAccepted] * 3
    assert provider.taken() == []


async def test_an_unreachable_provider_accepts_nothing(provider: StandIn) -> None:
    if isinstance(provider, SmtpStandIn):
        provider.stop()
    provider.behaviour = Behaviour.IS_GONE

    outcomes = await provider.gateway.send(provider.handovers(*provider.good))

    assert [type(outcome) for outcome in outcomes] == [NotAccepted] * 3
    assert provider.taken() == []


@pytest.mark.parametrize("behaviour", [Behaviour.TAKES_WITHOUT_ANSWER, Behaviour.LOSES])
async def test_without_an_answer_deliveries_are_unsure(
    provider: StandIn, behaviour: Behaviour
) -> None:
    provider.behaviour = behaviour

    outcomes = await provider.gateway.send(provider.handovers(*provider.good))

    assert [type(outcome) for outcome in outcomes] == [Unsure] * 3
    arrived = behaviour is Behaviour.TAKES_WITHOUT_ANSWER
    assert len(provider.taken()) == (3 if arrived else 0)


async def test_an_unreadable_answer_leaves_deliveries_unsure(talker: StandIn) -> None:
    talker.behaviour = Behaviour.ANSWERS_NONSENSE

    outcomes = await talker.gateway.send(talker.handovers(*talker.good))

    assert [type(outcome) for outcome in outcomes] == [Unsure] * 3


async def test_a_delivery_that_arrived_without_an_answer_is_found(searchable: StandIn) -> None:
    [handover] = searchable.handovers(searchable.good[0])
    searchable.behaviour = Behaviour.TAKES_WITHOUT_ANSWER
    await searchable.gateway.send([handover])
    searchable.behaviour = Behaviour.TAKES

    finding = await searchable.gateway.find(handover, handed_at=NOON, now=LATER)

    assert isinstance(finding, FoundAtProvider)
    assert finding.reference
    assert {receipt.key for receipt in finding.receipts} == {handover.key}
    assert {receipt.reference for receipt in finding.receipts} == {finding.reference}


async def test_a_delivery_that_never_arrived_is_not_at_the_provider(searchable: StandIn) -> None:
    [handover] = searchable.handovers(searchable.good[0])
    searchable.behaviour = Behaviour.LOSES
    await searchable.gateway.send([handover])
    searchable.behaviour = Behaviour.TAKES

    assert await searchable.gateway.find(handover, handed_at=NOON, now=LATER) == NotAtProvider()


async def test_an_unreachable_provider_decides_nothing(searchable: StandIn) -> None:
    await _decides_nothing(searchable, Behaviour.IS_GONE)


@pytest.mark.parametrize("behaviour", [Behaviour.IS_BUSY, Behaviour.ANSWERS_NONSENSE])
async def test_an_answer_that_is_no_list_decides_nothing(
    remote: StandIn, behaviour: Behaviour
) -> None:
    await _decides_nothing(remote, behaviour)


async def _decides_nothing(provider: StandIn, behaviour: Behaviour) -> None:
    [handover] = provider.handovers(provider.good[0])
    reference = "CA" + "0" * 32
    sent = Sent(handover.key, reference, handover.mode, handover.address, NOON)
    provider.behaviour = behaviour

    with pytest.raises(Unavailable):
        await provider.gateway.find(handover, handed_at=NOON, now=LATER)
    assert list((await provider.gateway.poll([sent])).unanswered) == [sent]


async def test_absence_decides_nothing_before_the_list_is_complete(remote: StandIn) -> None:
    [handover] = remote.handovers(remote.good[0])
    settled = NOON + remote.gateway.settles_after

    with pytest.raises(Unavailable):
        await remote.gateway.find(handover, handed_at=NOON, now=settled - timedelta(seconds=1))
    assert await remote.gateway.find(handover, handed_at=NOON, now=settled) == NotAtProvider()


async def test_a_poll_returns_receipts_with_our_keys(searchable: StandIn) -> None:
    handovers = searchable.handovers(*searchable.good)
    outcomes = await searchable.gateway.send(handovers)
    sent = [
        Sent(handover.key, outcome.reference or "", handover.mode, handover.address, NOON)
        for handover, outcome in zip(handovers, outcomes, strict=True)
        if isinstance(outcome, Accepted)
    ]

    polled = await searchable.gateway.poll(sent)

    assert {receipt.key for receipt in polled.receipts} == {"d-0", "d-1", "d-2"}
    assert list(polled.unanswered) == []


async def test_a_mail_server_cannot_tell_whether_an_email_arrived() -> None:
    async with SmtpStandIn().running() as provider:
        [handover] = provider.handovers(provider.good[0])

        finding = await provider.gateway.find(handover, handed_at=NOON, now=LATER)

        assert finding == CannotTell("smtp cannot be asked")
        assert (await provider.gateway.poll([])).receipts == []


async def test_the_inbox_accepts_everything_within_the_transaction() -> None:
    gateway = InboxGateway()
    [handover] = SmtpStandIn().handovers("account-1", of=content())

    assert gateway.in_transaction
    assert gateway.modes == {DeliveryMode.INBOX}
    assert await gateway.send([handover] * 2) == [Accepted(None, DeliveryStatus.SENT)] * 2
