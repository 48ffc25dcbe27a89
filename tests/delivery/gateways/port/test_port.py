"""The promise of the port: each hand-over gets one outcome, independent of the others."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Any, ClassVar, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from delivery.gateways.base import (
    Accepted,
    Handover,
    NoneTaken,
    NotAccepted,
    NotAttempted,
    Outcome,
    Refused,
    Unsure,
)
from delivery.gateways.inbox import InboxGateway
from delivery.gateways.port import OUT_OF_TIME, Closed, Gateway, Passage
from delivery.gateways.simulator.gateway import CALM, SimulatorBehavior
from domain.status import DeliveryMode, DeliveryStatus
from tests.delivery.gateways.simulator.stand_in import SimulatorStandIn
from tests.delivery.gateways.stand_ins import (
    Behaviour,
    CallStandIn,
    MailgunStandIn,
    SmtpStandIn,
    StandIn,
    TextStandIn,
    content,
)

PEOPLE = 8
ADDRESSES = {
    DeliveryMode.EMAIL: [f"p{number}@nomail.example" for number in range(PEOPLE)],
    DeliveryMode.VOICE: [f"+1612555010{number}" for number in range(PEOPLE)],
    DeliveryMode.TEXT: [f"+1612555010{number}" for number in range(PEOPLE)],
    DeliveryMode.INBOX: [f"account {number}" for number in range(PEOPLE)],
}


class Step(Enum):
    """The step at which a delivery fails."""

    COMPOSE = auto()
    BEFORE_IT_LEFT = auto()
    AFTER_IT_LEFT = auto()
    AFTER_THE_ANSWER = auto()


class Fault(NamedTuple):
    """The exception for a delivery, and its step."""

    step: Step
    error: BaseException


class Odd(Exception):
    """An unknown exception with an address in its text."""


ERRORS: list[BaseException] = [
    *(kind("heather@nomail.example") for kind in (ValueError, IndexError, KeyError, TypeError)),
    *(kind() for kind in (AttributeError, RecursionError, MemoryError, TimeoutError, OSError)),
    *(ZeroDivisionError(), StopAsyncIteration(), AssertionError(), EOFError(), Odd("x@y.example")),
    UnicodeEncodeError("ascii", "é", 0, 1, "no"),
    asyncio.CancelledError(),
    ExceptionGroup("both", [ValueError(), OSError()]),
]
COMPOSING_ERRORS = [error for error in ERRORS if isinstance(error, Exception)]

faults = st.one_of(
    st.none(),
    st.builds(Fault, st.just(Step.COMPOSE), st.sampled_from(COMPOSING_ERRORS)),
    st.builds(
        Fault, st.sampled_from([s for s in Step if s is not Step.COMPOSE]), st.sampled_from(ERRORS)
    ),
)


def spoiled(gateway: Gateway, planned: dict[str, Fault]) -> Gateway:
    """Return the gateway with planned faults, by the keys of the hand-overs."""
    compose, transmit = gateway.compose, gateway.transmit
    keys: dict[int, str] = {}
    held: list[Any] = []  # an id is one thing's as long as that lives

    def fault_of(composed: Sequence[Any], step: Step) -> BaseException | None:
        of_request = [planned.get(keys[id(one)]) for one in composed]
        return next((f.error for f in of_request if f is not None and f.step is step), None)

    def composing(handover: Handover) -> Any:
        planned_one = planned.get(handover.key)
        if planned_one is not None and planned_one.step is Step.COMPOSE:
            raise planned_one.error
        made = compose(handover)
        keys[id(made)] = handover.key
        held.append(made)
        return made

    async def transmitting(composed: Sequence[Any], passage: Passage) -> Any:
        if error := fault_of(composed, Step.BEFORE_IT_LEFT):
            raise error
        if error := fault_of(composed, Step.AFTER_IT_LEFT):
            await passage.leave()
            raise error
        answer = await transmit(composed, passage)
        if error := fault_of(composed, Step.AFTER_THE_ANSWER):
            raise error
        return answer

    gateway.compose = composing  # type: ignore[method-assign]
    gateway.transmit = transmitting  # type: ignore[method-assign]
    return gateway


def expected(request: Sequence[Fault | None]) -> list[type]:
    """Return the expected outcomes of one request: a fault of its transmission affects all its deliveries."""
    sent = [f for f in request if f is None or f.step is not Step.COMPOSE]
    steps = [f.step for f in sent if f is not None]
    whole: type = Accepted
    if Step.BEFORE_IT_LEFT in steps:
        canceled = next(f for f in sent if f is not None and f.step is Step.BEFORE_IT_LEFT)
        whole = NotAttempted if isinstance(canceled.error, asyncio.CancelledError) else NotAccepted
    elif steps:
        whole = Unsure
    return [Refused if f is not None and f.step is Step.COMPOSE else whole for f in request]


class _Inbox(StandIn):
    mode = DeliveryMode.INBOX
    tells = False

    def __init__(self) -> None:
        self.gateway = InboxGateway()

    def taken(self) -> list[str]:
        return []


class _Simulator(SimulatorStandIn):
    """A stand-in that refuses nobody, and whose gateway is made once, so that a test can change it."""

    tempers: ClassVar[Mapping[Behaviour, SimulatorBehavior]] = {Behaviour.TAKES: CALM}

    def __init__(self) -> None:
        super().__init__()
        self._one = super().gateway

    @property
    def gateway(self) -> Gateway:  # type: ignore[override]
        return self._one


KINDS: list[type[StandIn]] = [
    SmtpStandIn,
    MailgunStandIn,
    CallStandIn,
    TextStandIn,
    _Simulator,
    _Inbox,
]


@asynccontextmanager
async def running(kind: type[StandIn]) -> AsyncIterator[StandIn]:
    if issubclass(kind, SmtpStandIn):
        async with kind().running() as stand_in:
            yield stand_in
    else:
        yield kind()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(planned=st.lists(faults, min_size=PEOPLE, max_size=PEOPLE))
async def test_an_exception_decides_only_the_outcomes_of_its_own_deliveries(
    kind: type[StandIn], planned: list[Fault | None]
) -> None:
    async with running(kind) as provider:
        handovers = provider.handovers(*ADDRESSES[kind.mode])
        plan = {one.key: fault for one, fault in zip(handovers, planned, strict=True) if fault}
        gateway = spoiled(provider.gateway, plan)
        requests = gateway.requests(handovers)

        with capture_logs() as lines:
            outcomes = await gateway.send(handovers)

    assert {line["log_level"] for line in lines} <= {"warning"}
    expected_kinds: dict[int, type] = {}
    for numbers in requests:
        kinds = expected([planned[number] for number in numbers])
        expected_kinds |= dict(zip(numbers, kinds, strict=True))
    assert [type(outcome) for outcome in outcomes] == [expected_kinds[n] for n in range(PEOPLE)]
    reasons = [outcome.reason for outcome in outcomes if not isinstance(outcome, Accepted)]
    assert not any("@" in reason for reason in reasons)


class Scripted(Gateway[Handover]):
    """A gateway whose `transmit` is a function of the test."""

    name = "scripted"
    modes = frozenset({DeliveryMode.EMAIL})
    batch = 100
    per_second = None

    def __init__(
        self,
        *,
        transmit: Callable[[Sequence[Handover], Passage], Any],
        forms: Callable[[Sequence[Handover]], Sequence[Sequence[int]]] | None = None,
    ) -> None:
        self._script = transmit
        self._forms = forms

    def requests(self, handovers: Sequence[Handover]) -> Sequence[Sequence[int]]:
        return super().requests(handovers) if self._forms is None else self._forms(handovers)

    def compose(self, handover: Handover) -> Handover:
        return handover

    async def transmit(
        self, composed: Sequence[Handover], passage: Passage
    ) -> Sequence[Outcome] | NoneTaken:
        answer: Sequence[Outcome] | NoneTaken = await self._script(composed, passage)
        return answer


def handovers(count: int) -> list[Handover]:
    return [
        Handover(key=str(n), mode=DeliveryMode.EMAIL, address=f"p{n}", content=content())
        for n in range(count)
    ]


def taken(handover: Handover) -> Outcome:
    return Accepted(handover.key, DeliveryStatus.SENT)


async def take(composed: Sequence[Handover], passage: Passage) -> Sequence[Outcome]:
    await passage.leave()
    return [taken(one) for one in composed]


def together(given: Sequence[Handover]) -> Sequence[Sequence[int]]:
    return [range(len(given))]


async def test_answers_before_the_timeout_are_kept() -> None:
    """A delivery without an answer must not make its whole wave unsure."""

    async def some(composed: Sequence[Handover], passage: Passage) -> Sequence[Outcome]:
        if composed[0].key == "1":
            await passage.leave()
            await asyncio.Event().wait()
        if composed[0].key == "2":
            await asyncio.Event().wait()
        return await take(composed, passage)

    gateway = Scripted(transmit=some)

    outcomes = await gateway.send(handovers(4), seconds=0.02)

    assert outcomes == [
        taken(handovers(1)[0]),
        Unsure("no answer in time"),
        OUT_OF_TIME,
        taken(handovers(4)[3]),
    ]


async def test_requests_are_limited_and_the_rest_is_not_attempted_in_time() -> None:
    begun: list[str] = []

    async def never(composed: Sequence[Handover], passage: Passage) -> Sequence[Outcome]:
        await passage.leave()
        begun.append(composed[0].key)
        await asyncio.Event().wait()
        return []

    gateway = Scripted(transmit=never)
    gateway.at_once = 3

    outcomes = await gateway.send(handovers(5), seconds=0.02)

    assert begun == ["0", "1", "2"]
    assert outcomes == [Unsure("no answer in time")] * 3 + [OUT_OF_TIME] * 2


async def test_a_send_that_is_cancelled_leaves_no_request_running() -> None:
    ended: list[str] = []

    async def wait(composed: Sequence[Handover], passage: Passage) -> Sequence[Outcome]:
        try:
            await passage.leave()
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.append(composed[0].key)
        return []

    begun = asyncio.Event()
    sending = asyncio.create_task(Scripted(transmit=wait).send(handovers(2)))
    await begun.wait()
    sending.cancel()

    with pytest.raises(asyncio.CancelledError):
        await sending
    assert sorted(ended) == ["0", "1"]


@pytest.mark.parametrize(
    "forms",
    [
        lambda given: [[0, 1]],
        lambda given: [[0, 1], [1, 2]],
        lambda given: [[0, 1, 2, 3]],
        lambda given: 1 / 0,
    ],
    ids=["leaves one out", "names one twice", "names one that is not there", "fails"],
)
async def test_a_gateway_that_fails_to_group_sends_each_delivery_separately(forms: Any) -> None:
    sizes: list[int] = []

    async def counted(composed: Sequence[Handover], passage: Passage) -> Sequence[Outcome]:
        sizes.append(len(composed))
        return await take(composed, passage)

    outcomes = await Scripted(transmit=counted, forms=forms).send(handovers(3))

    assert outcomes == [taken(one) for one in handovers(3)]
    assert sizes == [1, 1, 1]


@given(bad=st.sets(st.integers(0, 15)), broken=st.sets(st.integers(0, 15)))
async def test_a_rejected_request_is_halved_down_to_the_bad_addresses(
    bad: set[int], broken: set[int]
) -> None:
    arrived: list[str] = []

    async def picky(
        composed: Sequence[Handover], passage: Passage
    ) -> Sequence[Outcome] | NoneTaken:
        await passage.leave()
        if any(int(one.key) in bad for one in composed):
            return NoneTaken("no such mailbox")
        if any(int(one.key) in broken for one in composed):
            raise Odd
        arrived.extend(one.key for one in composed)
        return [taken(one) for one in composed]

    with capture_logs():
        outcomes = await Scripted(transmit=picky, forms=together).send(handovers(16))

    assert {n for n, o in enumerate(outcomes) if isinstance(o, Refused)} == bad
    accepted = [str(n) for n, o in enumerate(outcomes) if isinstance(o, Accepted)]
    assert sorted(arrived) == sorted(accepted)
    assert broken - bad <= {n for n, o in enumerate(outcomes) if isinstance(o, Unsure)}


async def test_a_closed_gate_stops_only_requests_that_have_not_begun() -> None:
    calls: list[int] = []

    async def gate() -> None:
        calls.append(1)
        if len(calls) > 2:
            raise Closed("canceled before it left")

    outcomes = await Scripted(transmit=take).send(handovers(4), gate=gate)

    first, second, *others = outcomes
    assert [first, second] == [taken(one) for one in handovers(2)]
    assert others == [NotAttempted("canceled before it left")] * 2
