"""Generates the outcomes of the deliveries of a message of history, consistent with its status.

The rules are those of the log (`domain.status`, `domain.message`); the frequencies are made up.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import cycle
from random import Random
from typing import Final, NamedTuple

from domain.addresses import normalise
from domain.call_status import CALL_STATUSES, DUPLICATE, OPTED_OUT, TEXT_SENT
from domain.modes import PHONE_MODES
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from server.sample.district.people import PersonDevice, SamplePerson
from server.sample.line import DeviceLine, RecipientLine

LIVE_PERSON: Final = 5
ANSWERING_MACHINE: Final = 6
PBX: Final = 8
PRECONNECT_DONE: Final = 13
TEMPORARILY_UNAVAILABLE: Final = 17
TEXT_DELIVERED: Final = -28
TEXT_FAILED: Final = -30
TEXT_QUEUED: Final = -39
TEXT_UNDELIVERED: Final = -40
UNLISTED: Final = 77
"""An unknown call status code: providers introduce new ones."""

_CODES_OF_TEXTS: Final = frozenset({TEXT_FAILED, OPTED_OUT, TEXT_QUEUED, TEXT_UNDELIVERED})
_FAILED_CALLS: Final = tuple(
    code
    for code, meaning in CALL_STATUSES.items()
    if meaning.is_final
    and not meaning.is_success
    and code not in _CODES_OF_TEXTS | {PBX, DUPLICATE}
)
# The most frequent failures: no answer, busy, disconnected.
_USUAL_FAILURES: Final = (0,) * 20 + (1,) * 8 + (3,) * 6 + (9, 10, 14, 14, -2, -2, -21, -21)


class Addressee(NamedTuple):
    """One line of a recipient list: the person, the student, and the devices."""

    person: SamplePerson
    student: SamplePerson | None
    devices: tuple[PersonDevice, ...]


class _Fate(Enum):
    SETTLED = auto()
    """Handed over, with an outcome."""
    OPEN = auto()
    """Handed over, outcome open."""
    PENDING = auto()
    STOPPED = auto()
    """Canceled before it was handed over."""


def fitting_status(wanted: MessageStatus, addressees: Iterable[Addressee]) -> MessageStatus:
    """The status nearest to `wanted` that a message to these addressees can have (rules of the log, 4)."""
    devices = [device for _, _, device in _firsts(addressees)]
    match wanted:
        case MessageStatus.ERROR if not _phones(devices):
            return MessageStatus.SENT
        case MessageStatus.IN_PROGRESS if not _slow(devices):
            return MessageStatus.SENT
        case MessageStatus.CANCELED_IN_PROGRESS if not _leavable(devices) or len(devices) < 2:
            return MessageStatus.CANCELED
    return wanted


class Outcomes:
    """Generates outcomes; the same calls in the same order give the same results."""

    def __init__(self, draw: Random) -> None:
        self._draw = draw
        failures = [*_FAILED_CALLS, *_USUAL_FAILURES]
        draw.shuffle(failures)
        self._failed_calls = cycle(failures)
        # Forms of an open outcome: no report, a report that is not final, an unknown code.
        self._open_calls = cycle((None, TEMPORARILY_UNAVAILABLE, None, UNLISTED))
        self._open_texts = cycle((None, TEXT_QUEUED))
        # Forms of an opt-out in a log: the code, the status alone, and, in old logs, blank.
        self._opt_outs = cycle(("code", "code", "status", "blank"))
        self._is_refused_repeat = cycle((*(False,) * 5, True))

    def record(
        self,
        message: str,
        addressees: Sequence[Addressee],
        *,
        status: MessageStatus,
        begun_at: datetime,
        canceled_at: datetime | None = None,
    ) -> list[RecipientLine]:
        """The recipient lines of `message`, with deliveries consistent with `status`.

        The first hand-over is at `begun_at`; canceled deliveries were canceled at `canceled_at`.
        """
        firsts = _firsts(addressees)
        fates = self._fates(status, [device for _, _, device in firsts])
        lines: dict[tuple[DeliveryMode, str], DeviceLine] = {}
        for (mode, key, device), fate in zip(firsts, fates, strict=True):
            at = canceled_at if canceled_at and fate is _Fate.STOPPED else begun_at
            lines[mode, key] = self._delivery(device, fate, at)
        seen: set[tuple[DeliveryMode, str]] = set()
        recorded: list[RecipientLine] = []
        for person, student, devices in addressees:
            shown: list[DeviceLine] = []
            for device in devices:
                place = device.mode, normalise(device.mode, device.address).key
                first = lines[place]
                shown.append(self._repeat(first, device) if place in seen else first)
                seen.add(place)
            recorded.append(
                {
                    "kind": "recipient",
                    "message": message,
                    "person": person.named,
                    "student": None if student is None else student.named,
                    "devices": shown,
                }
            )
        return recorded

    def _fates(self, status: MessageStatus, devices: Sequence[PersonDevice]) -> list[_Fate]:
        draw = self._draw
        fates = [_Fate.SETTLED] * len(devices)
        match status:
            case MessageStatus.WAITING:
                return [_Fate.PENDING] * len(devices)
            case MessageStatus.CANCELED:
                return [_Fate.STOPPED] * len(devices)
            case MessageStatus.IN_PROGRESS:
                for place in _slow(devices):
                    fates[place] = draw.choice((_Fate.OPEN, _Fate.PENDING))
            case MessageStatus.ERROR:
                phones = _phones(devices)
                late = {draw.choice(phones), *(n for n in phones if draw.random() < 0.2)}
                for place in late:
                    fates[place] = _Fate.OPEN
            case MessageStatus.CANCELED_IN_PROGRESS:
                leavable = _leavable(devices)
                some = draw.randint(1, min(len(leavable), len(devices) - 1))
                left = set(leavable[:some])
                fates = [_Fate.SETTLED if n in left else _Fate.STOPPED for n in range(len(devices))]
        return fates

    def _delivery(self, device: PersonDevice, fate: _Fate, at: datetime) -> DeviceLine:
        match fate:
            case _Fate.PENDING:
                return _line(device, DeliveryStatus.PENDING)
            case _Fate.STOPPED:
                return _line(device, DeliveryStatus.CANCELED, at=at)
            case _Fate.OPEN:
                return self._open(device)
        match device.mode:
            case DeliveryMode.EMAIL:
                return self._email(device, self._after(at, 10, 240))
            case DeliveryMode.VOICE:
                return self._call(device, self._after(at, 30, 900))
            case DeliveryMode.TEXT:
                return self._text(device, self._after(at, 3, 90))
        return _line(device, DeliveryStatus.SENT, at=self._after(at, 1, 20))

    def _open(self, device: PersonDevice) -> DeviceLine:
        code = None
        if device.mode is DeliveryMode.VOICE:
            code = next(self._open_calls)
        elif device.mode is DeliveryMode.TEXT:
            code = next(self._open_texts)
        return _line(device, DeliveryStatus.IN_PROGRESS, code)

    def _email(self, device: PersonDevice, at: datetime) -> DeviceLine:
        luck = self._draw.random()
        if luck < 0.03:
            return _line(device, DeliveryStatus.FAILED, at=at)
        return _line(device, DeliveryStatus.SENT if luck < 0.6 else DeliveryStatus.DELIVERED, at=at)

    def _call(self, device: PersonDevice, at: datetime) -> DeviceLine:
        luck, confirms = self._draw.random(), self._draw.random()
        if luck < 0.1:
            return _line(device, DeliveryStatus.FAILED, next(self._failed_calls), at=at)
        if luck < 0.14:
            # Behind a switchboard, a person is only reached if they press 0.
            confirmed = confirms < 0.4
            status = DeliveryStatus.DELIVERED if confirmed else DeliveryStatus.FAILED
            return _line(device, status, PBX, at=at, confirmed=confirmed)
        if luck < 0.16:
            return _line(device, DeliveryStatus.DELIVERED, PRECONNECT_DONE, at=at)
        if luck < 0.55:
            return _line(device, DeliveryStatus.DELIVERED, ANSWERING_MACHINE, at=at)
        confirmed = confirms < 0.35
        return _line(device, DeliveryStatus.DELIVERED, LIVE_PERSON, at=at, confirmed=confirmed)

    def _text(self, device: PersonDevice, at: datetime) -> DeviceLine:
        if device.texts_stopped:
            return self._opted_out(device, at)
        luck = self._draw.random()
        if luck < 0.03:
            return _line(device, DeliveryStatus.FAILED, TEXT_FAILED, at=at)
        if luck < 0.06:
            return _line(device, DeliveryStatus.FAILED, TEXT_UNDELIVERED, at=at)
        if luck < 0.2:
            return _line(device, DeliveryStatus.SENT, TEXT_SENT, at=at)
        return _line(device, DeliveryStatus.DELIVERED, TEXT_DELIVERED, at=at)

    def _opted_out(self, device: PersonDevice, at: datetime) -> DeviceLine:
        match next(self._opt_outs):
            case "code":
                return _line(device, DeliveryStatus.OPTED_OUT, OPTED_OUT, at=at)
            case "status":
                return _line(device, DeliveryStatus.OPTED_OUT, at=at)
        return {"mode": device.mode, "address": device.address}

    def _repeat(self, first: DeviceLine, device: PersonDevice) -> DeviceLine:
        """A repeated address: it has the outcome of the first, or a refusal by the dialer."""
        settled = "at" in first and first["status"] is not DeliveryStatus.CANCELED
        if settled and device.mode is DeliveryMode.VOICE and next(self._is_refused_repeat):
            return _line(device, DeliveryStatus.FAILED, DUPLICATE, at=first["at"])
        return {**first, "address": device.address}

    def _after(self, at: datetime, least: int, most: int) -> datetime:
        return at + timedelta(seconds=self._draw.randint(least, most))


def _firsts(addressees: Iterable[Addressee]) -> list[tuple[DeliveryMode, str, PersonDevice]]:
    """The deliveries that are not duplicates, by address and mode."""
    result: dict[tuple[DeliveryMode, str], PersonDevice] = {}
    for _, _, devices in addressees:
        for device in devices:
            key = normalise(device.mode, device.address).key
            result.setdefault((device.mode, key), device)
    return [(mode, key, device) for (mode, key), device in result.items()]


def _phones(devices: Sequence[PersonDevice]) -> list[int]:
    """The indexes of deliveries whose outcome a voice or text provider has not reported yet."""
    return [n for n, d in enumerate(devices) if d.mode in PHONE_MODES and not d.texts_stopped]


def _slow(devices: Sequence[PersonDevice]) -> list[int]:
    """The indexes of deliveries that take time; a portal inbox has its message at once."""
    return [
        n for n, d in enumerate(devices) if d.mode is not DeliveryMode.INBOX and not d.texts_stopped
    ]


def _leavable(devices: Sequence[PersonDevice]) -> list[int]:
    """The indexes of deliveries that left before a cancellation: texts come last, so all of them are stopped."""
    return [n for n, d in enumerate(devices) if d.mode is not DeliveryMode.TEXT]


def _line(
    device: PersonDevice,
    status: DeliveryStatus,
    code: int | None = None,
    *,
    at: datetime | None = None,
    confirmed: bool = False,
) -> DeviceLine:
    line: DeviceLine = {"mode": device.mode, "address": device.address, "status": status}
    if code is not None:
        line["callStatus"] = code
    if confirmed:
        line["confirmed"] = True
    if at is not None:
        line["at"] = at
    return line
