import asyncio
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.gateways.base import (
    Accepted,
    CannotTell,
    FoundAtProvider,
    Handover,
    NotAccepted,
    Outcome,
    Refused,
    Sent,
    Unavailable,
    Unsure,
)
from delivery.gateways.simulator.gateway import CALM, LIVELY, SimulatorBehavior, SimulatorGateway
from delivery.gateways.simulator.journal import Journal, JournalEntry
from domain.call_status import CALL_STATUSES
from domain.receipts import Receipt, State, fold
from domain.status import DeliveryMode, DeliveryStatus
from tests.delivery.gateways.simulator.stand_in import no_sleep
from tests.delivery.gateways.stand_ins import NOON, content

MODES = (DeliveryMode.EMAIL, DeliveryMode.VOICE, DeliveryMode.TEXT)
CONTENT = content()


class Clock:
    """A clock that only moves when a test sets it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def handover(number: int, mode: DeliveryMode = DeliveryMode.VOICE, attempt: int = 1) -> Handover:
    return Handover(
        key=f"d-{number}", mode=mode, address=f"a-{number}", content=CONTENT, attempt=attempt
    )


def simulator(
    temper: SimulatorBehavior,
    *,
    seed: int = 0,
    journal: Journal | None = None,
    clock: Clock | None = None,
) -> SimulatorGateway:
    return SimulatorGateway(
        journal or Journal(), clock=clock or Clock(), seed=seed, temper=temper, sleep=no_sleep
    )


async def _outcomes(
    gateway: SimulatorGateway, mode: DeliveryMode = DeliveryMode.VOICE
) -> list[Outcome]:
    return await gateway.send([handover(number, mode) for number in range(2000)])


async def test_the_seed_determines_the_provider() -> None:
    first, again, other = [await _outcomes(simulator(LIVELY, seed=seed)) for seed in (1, 1, 2)]

    assert first == again
    assert first != other


async def test_a_lively_provider_shows_every_behavior() -> None:
    journal = Journal()
    outcomes = await _outcomes(simulator(LIVELY, journal=journal), DeliveryMode.TEXT)

    kinds = Counter(type(outcome) for outcome in outcomes)
    assert kinds.keys() == {Accepted, Refused, NotAccepted, Unsure}
    assert kinds[Accepted] > 1900
    assert any(
        isinstance(outcome, Refused) and outcome.status is DeliveryStatus.OPTED_OUT
        for outcome in outcomes
    )
    # What arrived is what was accepted, and some that had no answer.
    arrived = kinds[Accepted], kinds[Accepted] + kinds[Unsure]
    assert arrived[0] < len(journal.entries()) < arrived[1]


async def test_a_busy_provider_accepts_a_later_attempt() -> None:
    gateway = simulator(SimulatorBehavior(busy=0.5))
    attempts = range(1, 12)

    taken = [
        isinstance((await gateway.send([handover(0, attempt=attempt)]))[0], Accepted)
        for attempt in attempts
    ]

    assert {True, False} == set(taken)


async def test_during_an_outage_the_provider_accepts_and_reports_nothing() -> None:
    clock, journal = Clock(), Journal()
    outage = (NOON, NOON + timedelta(minutes=10))
    gateway = simulator(SimulatorBehavior(outages=(outage,)), journal=journal, clock=clock)
    sent = Sent("d-0", "SIM", DeliveryMode.VOICE, "a-0", NOON)

    [outcome] = await gateway.send([handover(0)])

    assert isinstance(outcome, NotAccepted)
    assert journal.entries() == []
    assert list((await gateway.poll([sent])).unanswered) == [sent]
    with pytest.raises(Unavailable):
        await gateway.find(handover(0), handed_at=NOON, now=NOON)
    clock.now += timedelta(minutes=10)
    assert isinstance((await gateway.send([handover(0)]))[0], Accepted)


async def test_a_process_killed_in_the_first_half_of_the_latency_has_handed_over_nothing() -> None:
    waits = list[float]()
    arrived_at_each_wait = list[int]()
    journal = Journal()

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        arrived_at_each_wait.append(len(journal.entries()))

    gateway = SimulatorGateway(
        journal, clock=lambda: NOON, temper=SimulatorBehavior(latency=(2.0, 2.0)), sleep=wait
    )

    await gateway.send([handover(0)])

    assert waits == [1.0, 1.0]
    assert arrived_at_each_wait == [0, 1]


async def test_a_hand_over_that_was_killed_after_it_arrived_is_found_by_another_process(
    tmp_path: Path,
) -> None:
    async def die(seconds: float) -> None:
        if journal.entries():
            raise asyncio.CancelledError

    journal = Journal(tmp_path / "journal")
    dying = SimulatorGateway(journal, clock=lambda: NOON, temper=CALM, sleep=die)
    assert await dying.send([handover(0)]) == [Unsure("no answer in time")]
    survivor = simulator(CALM, journal=Journal(tmp_path / "journal"))

    finding = await survivor.find(handover(0), handed_at=NOON, now=NOON)

    assert isinstance(finding, FoundAtProvider)
    assert finding.receipts[0].key == "d-0"


async def test_a_forgetful_provider_cannot_tell() -> None:
    gateway = simulator(SimulatorBehavior(forgetful=1.0))
    await gateway.send([handover(0)])

    finding = await gateway.find(handover(0), handed_at=NOON, now=NOON)

    assert isinstance(finding, CannotTell)


# Receipts


def entries(count: int, mode: DeliveryMode) -> list[JournalEntry]:
    return [JournalEntry(NOON, f"d-{number}", mode, f"a-{number}") for number in range(count)]


def test_calls_end_with_every_code_of_the_table() -> None:
    gateway = simulator(CALM)
    ends = Counter(
        gateway.reports(entry)[-1].receipt.code for entry in entries(20_000, DeliveryMode.VOICE)
    )

    texts_and_ours = {17, -4, -5, -27, -28, -29, -30, -33, -39, -40}
    assert ends.keys() == CALL_STATUSES.keys() - texts_and_ours
    assert 0.43 < ends[5] / 20_000 < 0.47


def test_a_lively_provider_s_receipts_come_late_twice_and_out_of_order() -> None:
    gateway = simulator(LIVELY)
    said = [gateway.reports(entry) for entry in entries(2000, DeliveryMode.VOICE)]
    receipts = [[one.receipt for one in reports] for reports in said]

    assert any(len(set(one)) < len(one) for one in receipts)
    assert any([receipt.at for receipt in one] != sorted(r.at for r in one) for one in receipts)
    assert any(not one for one in receipts)
    codes = {receipt.code for one in receipts for receipt in one}
    assert {None, 17, 77} <= codes
    assert any(receipt.confirmed for one in receipts for receipt in one)


@given(st.sampled_from(MODES), st.integers(0, 10_000), st.integers(0, 5))
def test_a_poll_and_the_receipts_agree_in_the_end(
    mode: DeliveryMode, number: int, seed: int
) -> None:
    async def polled() -> list[Receipt]:
        await gateway.send([handover(number, mode)])
        clock.now = NOON + timedelta(hours=1)
        sent = Sent(f"d-{number}", "", mode, "", NOON)
        return list((await gateway.poll([sent])).receipts)

    clock = Clock()
    lively = SimulatorBehavior(repeated=0.5, odd=0.5, outcome_after=(1.0, 60.0), late=(0.0, 90.0))
    gateway = simulator(lively, seed=seed, clock=clock)
    known = asyncio.run(polled())
    heard = gateway.due(clock.now)

    handed = State(DeliveryStatus.PENDING)
    assert fold(handed, [known[0], *heard]) == fold(handed, known)
    assert fold(handed, known).status is not DeliveryStatus.PENDING


async def test_each_receipt_is_due_once_in_order_of_arrival() -> None:
    clock, journal = Clock(), Journal()
    gateway = simulator(LIVELY, journal=journal, clock=clock)
    await gateway.send([handover(number) for number in range(300)])
    everything = [said for entry in journal.entries() for said in gateway.reports(entry)]
    everything.sort(key=lambda report: report.received_at)

    assert gateway.due(NOON - timedelta(seconds=1)) == []
    heard = list[Receipt]()
    for seconds in range(0, 61, 7):
        heard += gateway.due(NOON + timedelta(seconds=seconds))

    assert sorted(heard) == sorted(said.receipt for said in everything)
    assert gateway.due(NOON + timedelta(hours=1)) == []
