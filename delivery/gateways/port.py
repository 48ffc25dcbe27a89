"""The interface of a gateway to a provider, and what all gateways share.

The caller decides before whether a delivery is due, allowed, canceled or already sent; it applies the outcome afterwards. A
gateway keeps only connections between two calls, and has no access to the database.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
    Malformed,
    NoneTaken,
    NotAccepted,
    NotAttempted,
    Outcome,
    Parsed,
    Polled,
    Refused,
    Sent,
    SingleUseToken,
    Unsure,
)
from domain.delivery_failures import REFUSED_ADDRESS
from domain.status import DeliveryMode

Composed = TypeVar("Composed", default=Any)
"""The result of `compose` and the input of `transmit`."""

OUT_OF_TIME: Final = NotAttempted("no request was sent to the provider in time")

_log = structlog.get_logger(__name__)

# The gate: the last check before a request to a provider begins. The gateway calls it, because only the gateway knows when its
# request begins: after a queue, a connection and a handshake. `delivery.dispatch.cancel_gate` closes it.


class Closed(Exception):
    """The request must not begin; the message has the reason."""


Gate = Callable[[], Awaitable[None]]
"""Returns if requests may begin; raises `Closed` once they may not."""


async def always_open() -> None:
    """Let every request begin: for callers without cancellation."""


class Passage:
    """The passage of one request through the gate."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.may_have_left = False
        """The request that delivers has begun: if it gets no answer, its deliveries are unsure."""

    async def check(self) -> None:
        """Raise `Closed` if the request must not begin. For steps that deliver nothing yet."""
        await self._gate()

    async def leave(self) -> None:
        """Pass the gate. Raises `Closed`.

        Call it immediately before the request: after an await in between, the request could begin after a cancellation.
        """
        await self._gate()
        self.may_have_left = True


# The interface


class Gateway(ABC, Generic[Composed]):
    """A connection to one provider.

    A gateway implements how to compose a delivery and how to transmit one request. `send` is the same for all: it returns one
    outcome for each hand-over, whatever is raised on the way, so that no delivery affects another.

    Methods may be called concurrently.
    """

    name: ClassVar[str]
    """The name in settings, limits and callbacks."""
    modes: ClassVar[frozenset[DeliveryMode]]
    batch: int
    """Most hand-overs of one call of `send`."""
    at_once: int = 8
    """Most concurrent requests of one call of `send`."""
    per_second: float | None
    """The provider's rate limit in hand-overs per second; None: no limit is known."""
    settles_after: ClassVar[timedelta] = timedelta()
    """How long after a hand-over its absence at the provider proves that it did not arrive. `find` fails before that."""
    in_transaction: ClassVar[bool] = False
    """True if `send` has no outside effect: claim and outcome are then one transaction, which makes it exactly once."""

    @abstractmethod
    def compose(self, handover: Handover) -> Composed | Refused:
        """Return one delivery in the provider's form. May raise anything: that refuses only this delivery."""

    def requests(self, handovers: Sequence[Handover]) -> Sequence[Sequence[int]]:
        """Return the hand-overs of each request, by their indexes: one hand-over per request by default."""
        return [[number] for number in range(len(handovers))]

    @abstractmethod
    async def transmit(
        self, composed: Sequence[Composed], passage: Passage
    ) -> Sequence[Outcome] | NoneTaken:
        """Make one request. Return one outcome for each delivery in it, in their order.

        Call `passage.leave()` immediately before the request that delivers. May raise anything, also `Closed`: that is the
        outcome of this request only.
        """

    @final
    async def send(
        self,
        handovers: Sequence[Handover],
        *,
        gate: Gate = always_open,
        seconds: float | None = None,
    ) -> list[Outcome]:
        """Hand over up to `batch` deliveries. Return one outcome for each, in their order. Raises nothing.

        A delivery without an answer after `seconds` is `Unsure` if its request had begun, otherwise `NotAttempted`. If this
        call is cancelled, deliveries that it had handed over are unsure.
        """
        sending = _Sending(self, handovers, gate)
        slots = asyncio.Semaphore(self.at_once)

        async def one(numbers: Sequence[int]) -> None:
            async with slots:
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
        """Look up whether a hand-over at `handed_at` without an answer arrived.

        The caller ignores a reference that another delivery already has: equal texts look alike to some providers. Raises
        `Unavailable`; the delivery stays open then.
        """
        return CannotTell(f"{self.name} cannot be asked")

    async def poll(self, sent: Sequence[Sent]) -> Polled:
        """Return the provider's current receipts for each delivery. Raises nothing: see `Polled.unanswered`."""
        return Polled([])

    @property
    def can_be_polled(self) -> bool:
        """Whether the provider can be asked for outcomes: the gateway has its own `poll`."""
        return type(self).poll is not Gateway.poll

    def verify(self, callback: Callback, *, now: datetime) -> SingleUseToken | None:
        """Check that the provider made this callback. Return its single-use token, if it has one. Raises `Forged`."""
        raise Forged(f"{self.name} makes no callbacks")

    def parse(self, callback: Callback, *, now: datetime) -> Parsed:
        """Read a verified callback; `now` is the time of receipts without a time. Raises `Malformed`."""
        raise Malformed(f"{self.name} makes no callbacks")

    async def close(self) -> None:  # most gateways have none
        """Close the gateway's own connections."""


class _Sending(Generic[Composed]):
    """One call of `Gateway.send`: the outcomes so far, by the indexes of the hand-overs."""

    def __init__(
        self, gateway: Gateway[Composed], handovers: Sequence[Handover], gate: Gate
    ) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self._gateway = gateway
        self._handovers = handovers
        self._gate = gate

    def numbers(self) -> Sequence[Sequence[int]]:
        """Return the hand-overs of each request. If the gateway fails to group them, each has its own request."""
        indexes = range(len(self._handovers))
        try:
            requests = self._gateway.requests(self._handovers)
            if sorted(number for numbers in requests for number in numbers) == [*indexes]:
                return requests
            cause = "some deliveries were left out"
        except Exception as error:
            cause = type(error).__name__
        _log.error(
            "the gateway could not group deliveries into requests",
            gateway=self._gateway.name,
            cause=cause,
        )
        return [[number] for number in indexes]

    async def request(self, numbers: Sequence[int]) -> None:
        """Compose and transmit the deliveries of one request."""
        composed: dict[int, Composed] = {}
        for number in numbers:
            handover = self._handovers[number]
            try:
                made = self._gateway.compose(handover)
            except Exception as error:
                self._report("the gateway could not compose a delivery", [number])
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
            each(NotAttempted(str(closed)))
        except asyncio.CancelledError:
            each(Unsure("no answer in time") if passage.may_have_left else OUT_OF_TIME)
            raise
        except Exception as error:
            self._report("the gateway's request failed", numbers)
            kind = type(error).__name__
            # Before the request began, nothing could arrive.
            each(Unsure(kind) if passage.may_have_left else NotAccepted(f"before it left: {kind}"))
        else:
            if isinstance(answer, NoneTaken) and len(numbers) > 1:
                half = len(numbers) // 2
                for part in (numbers[:half], numbers[half:]):
                    await self._transmit({number: composed[number] for number in part})
            elif isinstance(answer, NoneTaken):
                each(Refused(answer.reason, failure=REFUSED_ADDRESS))
            elif len(answer) == len(numbers):
                self.outcomes |= dict(zip(numbers, answer, strict=True))
            else:
                reason = f"the gateway gave {len(answer)} outcomes for {len(numbers)} deliveries"
                _log.error(
                    "the gateway returned the wrong number of outcomes",
                    gateway=self._gateway.name,
                    cause=reason,
                )
                each(Unsure(reason))

    def _report(self, event: str, numbers: Sequence[int]) -> None:
        _log.warning(
            event,
            gateway=self._gateway.name,
            delivery_id=[self._handovers[number].key for number in numbers[:10]],
            deliveries=len(numbers),
            exc_info=True,
        )
