"""The port to a provider: what every gateway does in its own way, and what all of them do alike.

Whether something is due, allowed, canceled or sent before is decided before a gateway is called; what follows from an
outcome, after it. A gateway keeps nothing between two calls but connections, and knows no database.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Generic, final

import structlog
from typing_extensions import TypeVar

from delivery.gateways.base import (
    Callback,
    CannotTell,
    Finding,
    Forged,
    Handover,
    Held,
    Malformed,
    NoneTaken,
    NotAccepted,
    Outcome,
    Parsed,
    Polled,
    Refused,
    Seal,
    Sent,
    Unsure,
)
from delivery.gateways.gate import Closed, Gate, Passage, always_open
from domain.status import DeliveryMode

Composed = TypeVar("Composed", default=Any)
"""What `compose` makes of a hand-over, and `transmit` takes."""

OUT_OF_TIME: Final = Held("it was not offered to the provider in time")

_log = structlog.get_logger(__name__)


class Gateway(ABC, Generic[Composed]):
    """A way to one provider.

    A gateway says how a delivery is composed and how one request is transmitted. `send` does the rest, the same for all: one
    outcome for each hand-over, whatever is raised on the way, so that no delivery decides what becomes of another.

    Methods may be called at the same time.
    """

    name: ClassVar[str]
    """As settings, limits and callbacks call it."""
    modes: ClassVar[frozenset[DeliveryMode]]
    batch: int
    """The most hand-overs that `send` takes at once."""
    at_once: int = 8
    """The most requests that `send` has under way at once."""
    per_second: float | None
    """Hand-overs a second that the provider bears; None: no limit is known."""
    settles_after: ClassVar[timedelta] = timedelta()
    """How long after a hand-over its absence at the provider means something: `find` refuses to be asked before."""
    in_transaction: ClassVar[bool] = False
    """`send` touches nothing outside: outcome and claim can be one transaction, which makes it exactly once."""

    @abstractmethod
    def compose(self, handover: Handover) -> Composed | Refused:
        """Returns one delivery as the provider takes it. May raise anything: that refuses this delivery and no other."""

    def requests(self, handovers: Sequence[Handover]) -> Sequence[Sequence[int]]:
        """Which hand-overs, by their numbers, go in one request: each by itself."""
        return [[number] for number in range(len(handovers))]

    @abstractmethod
    async def transmit(
        self, composed: Sequence[Composed], passage: Passage
    ) -> Sequence[Outcome] | NoneTaken:
        """Make one request; returns one outcome for each delivery in it, in their order.

        It passes `passage.leave()` immediately before the request that delivers. May raise anything, `Closed` among it: that is
        the outcome of this request and of no other.
        """

    @final
    async def send(
        self,
        handovers: Sequence[Handover],
        *,
        gate: Gate = always_open,
        seconds: float | None = None,
    ) -> list[Outcome]:
        """Hand over up to `batch` deliveries; returns one outcome for each, in their order. Raises nothing.

        What has no answer after `seconds` is unsure if its request had begun, and held if not. Where this call is cancelled,
        what it had handed over is unsure.
        """
        sending = _Sending(self, handovers, gate)
        places = asyncio.Semaphore(self.at_once)

        async def one(numbers: Sequence[int]) -> None:
            async with places:
                await sending.request(numbers)

        tasks = [asyncio.ensure_future(one(numbers)) for numbers in sending.numbers()]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=seconds)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
                raise end  # it ends the process, as KeyboardInterrupt does
        return [sending.outcomes.get(number, OUT_OF_TIME) for number in range(len(handovers))]

    async def find(self, handover: Handover, *, handed_at: datetime, now: datetime) -> Finding:
        """Whether a hand-over of `handed_at` that had no answer arrived.

        A reference that another delivery has already is no finding: two of the same text look alike to some providers.
        Raises `Unavailable`: then it stays open.
        """
        return CannotTell(f"{self.name} cannot be asked")

    async def poll(self, sent: Sequence[Sent]) -> Polled:
        """What the provider says about each now. Raises nothing: who could not be asked about is in the answer."""
        return Polled([])

    def verify(self, callback: Callback, *, now: datetime) -> Seal | None:
        """Check that the provider made this callback; the seal, where it has one, that tells a replay.

        Raises `Forged`.
        """
        raise Forged(f"{self.name} makes no callbacks")

    def parse(self, callback: Callback, *, now: datetime) -> Parsed:
        """Read a callback that was verified; `now` dates what bears no date. Raises `Malformed`."""
        raise Malformed(f"{self.name} makes no callbacks")

    async def close(self) -> None:  # most have none
        """Let go of connections that are the gateway's own."""


class _Sending(Generic[Composed]):
    """One call of `Gateway.send`: the outcomes so far, by the numbers of the hand-overs."""

    def __init__(
        self, gateway: Gateway[Composed], handovers: Sequence[Handover], gate: Gate
    ) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self._gateway = gateway
        self._handovers = handovers
        self._gate = gate

    def numbers(self) -> Sequence[Sequence[int]]:
        """The hand-overs of each request. A gateway that fails to say so has each go by itself."""
        everyone = range(len(self._handovers))
        try:
            requests = self._gateway.requests(self._handovers)
            if sorted(number for numbers in requests for number in numbers) == [*everyone]:
                return requests
            cause = "it left some out"
        except Exception as error:
            cause = type(error).__name__
        _log.error("requests could not be formed", gateway=self._gateway.name, cause=cause)
        return [[number] for number in everyone]

    async def request(self, numbers: Sequence[int]) -> None:
        """Compose and transmit the deliveries of one request."""
        composed: dict[int, Composed] = {}
        for number in numbers:
            handover = self._handovers[number]
            try:
                made = self._gateway.compose(handover)
            except Exception as error:
                self._report("a delivery could not be composed", [number])
                made = Refused(f"it cannot be composed: {type(error).__name__}")
            if isinstance(made, Refused):
                self.outcomes[number] = made
            else:
                composed[number] = made
        if composed:
            await self._transmit(composed)

    async def _transmit(self, composed: Mapping[int, Composed]) -> None:
        numbers, passage = [*composed], Passage(self._gate)

        def each(outcome: Outcome) -> None:
            self.outcomes |= dict.fromkeys(numbers, outcome)

        try:
            answer = await self._gateway.transmit([*composed.values()], passage)
        except Closed as closed:
            each(Held(str(closed)))
        except asyncio.CancelledError:
            each(Unsure("no answer in time") if passage.may_have_left else OUT_OF_TIME)
            raise
        except Exception as error:
            self._report("a request failed", numbers)
            kind = type(error).__name__
            # Before the request began there was nothing that could arrive.
            each(Unsure(kind) if passage.may_have_left else NotAccepted(f"before it left: {kind}"))
        else:
            if isinstance(answer, NoneTaken) and len(numbers) > 1:
                half = len(numbers) // 2
                for part in (numbers[:half], numbers[half:]):
                    await self._transmit({number: composed[number] for number in part})
            elif isinstance(answer, NoneTaken):
                each(Refused(answer.reason))
            elif len(answer) == len(numbers):
                self.outcomes |= dict(zip(numbers, answer, strict=True))
            else:
                reason = f"the gateway gave {len(answer)} outcomes for {len(numbers)} deliveries"
                _log.error("a gateway lost outcomes", gateway=self._gateway.name, cause=reason)
                each(Unsure(reason))

    def _report(self, event: str, numbers: Sequence[int]) -> None:
        _log.warning(
            event,
            gateway=self._gateway.name,
            delivery_id=[self._handovers[number].key for number in numbers[:10]],
            deliveries=len(numbers),
            exc_info=True,
        )
