"""A simulated provider: for the demo, for tests, and for benchmarks. It sends nothing.

It behaves like a real provider: slow, sometimes busy, sometimes without an answer, with receipts that come late, twice and
out of order. Everything follows from a seed, the delivery's key, and the journal of hand-overs. So all processes see the same
provider, also after a restart.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final, NamedTuple

from delivery.gateways.base import (
    Accepted,
    CannotTell,
    Finding,
    FoundAtProvider,
    Handover,
    NotAccepted,
    NotAtProvider,
    Outcome,
    Polled,
    Refused,
    Sent,
    Unavailable,
    Unsure,
)
from delivery.gateways.port import Gateway, Passage
from delivery.gateways.simulator.journal import Journal, JournalEntry
from domain.call_status import CALL_STATUSES, OPTED_OUT, TEXT_SENT
from domain.delivery_failures import REFUSED_ADDRESS
from domain.receipts import Receipt, status_of_code
from domain.status import DeliveryMode, DeliveryStatus

# Statuses

_FOR_TEXTS: Final = frozenset({-27, -28, -29, -30, -33, -39, -40})
_OURS: Final = frozenset({-4, -5})
_COMMON_CALLS: Final = {5: 0.45, 6: 0.33, 0: 0.09, 1: 0.04}
_RARE_CALLS: Final = tuple(
    code
    for code, meaning in CALL_STATUSES.items()
    if meaning.is_final and code not in _FOR_TEXTS | _OURS | _COMMON_CALLS.keys()
)
"""Calls that get none of `_COMMON_CALLS` get one of these, with equal chances."""

_QUEUED: Final = -39
_UNKNOWN_CODE: Final = 77
"""A code that is in no table: providers add codes."""

_FIRST: Final = {
    DeliveryMode.EMAIL: (DeliveryStatus.SENT, None),
    DeliveryMode.VOICE: (DeliveryStatus.IN_PROGRESS, None),
    DeliveryMode.TEXT: (DeliveryStatus.IN_PROGRESS, _QUEUED),
}
"""Status and code of an accepted delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorBehavior:
    """The behavior of the provider; shares are from 0 to 1, ranges in seconds."""

    latency: tuple[float, float] = (0.0, 0.0)
    """Time to answer: half before the provider has the delivery, half after."""
    busy: float = 0.0
    """Share of attempts that are not accepted and have to be retried."""
    refused: float = 0.0
    """Share of addresses that are never accepted."""
    opted_out: float = 0.0
    """Share of numbers that opted out of texts."""
    lost: float = 0.0
    """Share of attempts without an answer that did not arrive."""
    unanswered: float = 0.0
    """Share of attempts without an answer that did arrive."""
    forgetful: float = 0.0
    """Share of deliveries of which the provider cannot say later whether they arrived."""
    silent: float = 0.0
    """Share of accepted deliveries without any receipt."""
    odd: float = 0.0
    """Share of calls that report an unknown code before their outcome."""
    repeated: float = 0.0
    """Share of receipts that come twice."""
    outcome_after: tuple[float, float] = (0.0, 0.0)
    """Time from the hand-over to the outcome."""
    late: tuple[float, float] = (0.0, 0.0)
    """Time from an event to its receipt, drawn for each receipt: so receipts come out of order."""
    outages: tuple[tuple[datetime, datetime], ...] = ()
    """Begin and end of each outage, in which the provider cannot be reached."""


CALM: Final = SimulatorBehavior()
"""Answers at once, accepts everything, and has each outcome in the same instant."""

LIVELY: Final = SimulatorBehavior(
    latency=(0.02, 0.3),
    busy=0.01,
    refused=0.005,
    opted_out=0.01,
    lost=0.001,
    unanswered=0.001,
    forgetful=0.5,
    silent=0.004,
    odd=0.01,
    repeated=0.05,
    outcome_after=(3.0, 40.0),
    late=(0.0, 10.0),
)
"""A usual day of a real provider: for the demo."""


class TimedReceipt(NamedTuple):
    """A receipt, and when it reaches us."""

    received_at: datetime
    receipt: Receipt


# The class


class SimulatorGateway(Gateway[Handover]):
    """Hands over to the simulated provider."""

    name = "simulator"
    modes = frozenset({DeliveryMode.EMAIL, DeliveryMode.VOICE, DeliveryMode.TEXT})

    def __init__(
        self,
        journal: Journal,
        *,
        clock: Callable[[], datetime],
        seed: int = 0,
        temper: SimulatorBehavior = LIVELY,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        batch: int = 100,
        per_second: float | None = None,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._seed = seed
        self._temper = temper
        self._sleep = sleep
        self.batch = batch
        self.per_second = per_second
        self._entries_read = 0
        # A heap: when the next receipt of an entry comes, the entry's index, the receipt's index.
        self._scheduled: list[tuple[datetime, int, int]] = []

    def compose(self, handover: Handover) -> Handover:
        return handover

    def requests(self, handovers: Sequence[Handover]) -> Sequence[Sequence[int]]:
        return [range(len(handovers))] if handovers else []

    async def transmit(self, composed: Sequence[Handover], passage: Passage) -> Sequence[Outcome]:
        if self._is_out():
            return [NotAccepted("no connection (simulated outage)") for _ in composed]
        outcomes = [self._answer(handover) for handover in composed]
        waits = [self._between(self._temper.latency, "latency", one.key) for one in composed]
        half = max(waits, default=0.0) / 2
        await passage.check()
        await self._sleep(half)
        await passage.leave()
        now = self._clock()
        self._journal.append(
            [
                JournalEntry(now, one.key, one.mode, one.address)
                for one, outcome in zip(composed, outcomes, strict=True)
                if isinstance(outcome, Accepted) or outcome is _ARRIVED
            ]
        )
        await self._sleep(half)
        return outcomes

    def _answer(self, handover: Handover) -> Outcome:
        """Return the provider's answer to one hand-over."""
        temper, key = self._temper, handover.key
        if self._happens(temper.refused, "refused", handover.address):
            is_email = handover.mode is DeliveryMode.EMAIL
            return Refused(
                "no such address (simulated)",
                code=None if is_email else -2,
                failure=REFUSED_ADDRESS if is_email else None,
            )
        is_text = handover.mode is DeliveryMode.TEXT
        if is_text and self._happens(temper.opted_out, "opted out", handover.address):
            return Refused("asked for no texts (simulated)", DeliveryStatus.OPTED_OUT, OPTED_OUT)
        attempt = f"{key} {handover.attempt}"
        if self._happens(temper.busy, "busy", attempt):
            return NotAccepted("busy (simulated)", timedelta(seconds=1))
        if self._happens(temper.lost, "lost", attempt):
            return Unsure("no answer (simulated)")
        if self._happens(temper.unanswered, "unanswered", attempt):
            return _ARRIVED
        status, code = _FIRST[handover.mode]
        return Accepted(self._reference(key), status, code, "accepted (simulated)")

    async def find(self, handover: Handover, *, handed_at: datetime, now: datetime) -> Finding:
        if self._is_out():
            raise Unavailable("no connection (simulated outage)")
        if self._happens(self._temper.forgetful, "forgetful", handover.key):
            return CannotTell("the provider has lost its memory (simulated)")
        entries = self._journal.of(handover.key)
        if not entries:
            return NotAtProvider()
        return FoundAtProvider(self._reference(handover.key), self._known(entries[0], now))

    async def poll(self, sent: Sequence[Sent]) -> Polled:
        if self._is_out():
            return Polled([], sent)
        now = self._clock()
        first = [entries[0] for one in sent if (entries := self._journal.of(one.key))]
        return Polled([receipt for entry in first for receipt in self._known(entry, now)])

    async def close(self) -> None:
        self._journal.close()

    # Receipts

    def due(self, now: datetime) -> list[Receipt]:
        """Return the receipts since the last call, in their order of arrival.

        The demo passes them on like a callback.
        """
        entries = self._journal.entries()
        while self._entries_read < len(entries):
            self._schedule(entries[self._entries_read], self._entries_read, 0)
            self._entries_read += 1
        receipts = list[Receipt]()
        while self._scheduled and self._scheduled[0][0] <= now:
            _, entry_number, number = heapq.heappop(self._scheduled)
            entry = entries[entry_number]
            receipts.append(self.reports(entry)[number].receipt)
            self._schedule(entry, entry_number, number + 1)
        return receipts

    def _schedule(self, entry: JournalEntry, entry_number: int, number: int) -> None:
        """Schedule a receipt of an entry, if the entry has so many."""
        reports = self.reports(entry)
        if number < len(reports):
            heapq.heappush(self._scheduled, (reports[number].received_at, entry_number, number))

    def reports(self, entry: JournalEntry) -> list[TimedReceipt]:
        """Return all receipts that a hand-over will ever have, in their order of arrival."""
        reports = list[TimedReceipt]()
        for number, receipt in enumerate(self._course(entry)):
            times = (
                2 if self._happens(self._temper.repeated, f"repeated {number}", entry.key) else 1
            )
            for time in range(times):
                late = self._between(self._temper.late, f"late {number} {time}", entry.key)
                reports.append(TimedReceipt(receipt.at + timedelta(seconds=late), receipt))
        return sorted(reports, key=lambda one: one.received_at)

    def _known(self, entry: JournalEntry, now: datetime) -> list[Receipt]:
        """Return the receipts of a hand-over that a poll gets now."""
        status, code = _FIRST[entry.mode]
        first = Receipt(entry.at, status, code, detail="accepted (simulated)")
        named = first._replace(key=entry.key, reference=self._reference(entry.key))
        return [named, *(receipt for receipt in self._course(entry) if receipt.at <= now)]

    def _course(self, entry: JournalEntry) -> list[Receipt]:
        """Return the events of a delivery in order of time."""
        key = entry.key
        if self._happens(self._temper.silent, "silent", key):
            return []
        duration = self._between(self._temper.outcome_after, "outcome after", key)
        course: list[tuple[DeliveryStatus, int | None, bool]]
        if entry.mode is DeliveryMode.EMAIL:
            course = [(self._email_outcome(key), None, False)]
        elif entry.mode is DeliveryMode.TEXT:
            codes = [TEXT_SENT, *self._text_outcome(key)]
            course = [(status_of_code(code), code, False) for code in codes]
        else:
            course = self._call_course(key)
        step = timedelta(seconds=duration) / len(course)
        return [
            Receipt(
                entry.at + step * number,
                status,
                code,
                confirmed,
                "simulated",
                key,
                self._reference(key),
            )
            for number, (status, code, confirmed) in enumerate(course, start=1)
        ]

    def _email_outcome(self, key: str) -> DeliveryStatus:
        bounces = self._happens(0.03, "bounces", key)
        return DeliveryStatus.FAILED if bounces else DeliveryStatus.DELIVERED

    def _text_outcome(self, key: str) -> list[int]:
        chance = self._chance("text outcome", key)
        return [-28] if chance < 0.93 else [-40] if chance < 0.97 else []

    def _call_course(self, key: str) -> list[tuple[DeliveryStatus, int | None, bool]]:
        chance = self._chance("call outcome", key)
        outcome = _RARE_CALLS[int(self._chance("rare", key) * len(_RARE_CALLS))]
        for code, share in _COMMON_CALLS.items():
            if chance < share:
                outcome = code
                break
            chance -= share
        codes: list[int | None] = [None]
        if self._happens(self._temper.odd, "odd", key):
            codes.append(_UNKNOWN_CODE)
        if self._happens(0.02, "redialed", key):
            codes.append(17)
        ringing = [
            (DeliveryStatus.IN_PROGRESS if code is None else status_of_code(code), code, False)
            for code in codes
        ]
        presses = outcome == 5 and self._happens(0.4, "presses 0", key)
        return [*ringing, (status_of_code(outcome), outcome, presses)]

    def _reference(self, key: str) -> str:
        return f"SIM{self._digest('reference', key).hex()}"

    def _is_out(self) -> bool:
        return any(begins <= self._clock() < ends for begins, ends in self._temper.outages)

    def _happens(self, share: float, what: str, of: str) -> bool:
        return share > 0 and self._chance(what, of) < share

    def _between(self, bounds: tuple[float, float], what: str, of: str) -> float:
        least, most = bounds
        return least + (most - least) * self._chance(what, of) if most > least else least

    def _chance(self, what: str, of: str) -> float:
        """Return a number from 0 to 1, always the same for the same arguments and seed."""
        return int.from_bytes(self._digest(what, of)) / 2**64

    def _digest(self, what: str, of: str) -> bytes:
        return blake2b(f"{self._seed} {what} {of}".encode(), digest_size=8).digest()


_ARRIVED: Final = Unsure("no answer, though it arrived (simulated)")
