"""Generates any number of people, each from a number, and their lines in a recipient list.

Nothing is stored, so memory is constant. The person of a number always has the same name and devices. Lines are written as
text, since a large log has millions of them.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from itertools import product
from random import Random
from string import ascii_uppercase
from typing import Final, NamedTuple

import orjson

from domain.call_status import OPTED_OUT, TEXT_SENT
from domain.status import DeliveryStatus, MessageStatus
from server.sample.district.names import name_languages
from server.sample.outcomes import (
    ANSWERING_MACHINE,
    LIVE_PERSON,
    PBX,
    PRECONNECT_DONE,
    TEXT_DELIVERED,
    TEXT_FAILED,
    TEXT_UNDELIVERED,
)

MOST_PEOPLE: Final = 7_800_000
"""The number of phone numbers: 780 area codes, each with the fictitious exchange 555."""

_FIRST_AREA: Final = 201
_EXCHANGE: Final = 10_000

# The devices of twenty people in a row: fifty, and one person has none. I, E, V and T stand for the modes.
_DEVICES: Final = (
    *("IEVT", "IE", "IEV", "I", "IEVT", "VT", "IE", "IET", "IEVT", "IEVT"),
    *("", "IET", "E", "IEV", "I", "V", "IE", "VT", "IEVT", "IEVT"),
)
_CYCLE: Final = len(_DEVICES)
_HANDED_OVER_PER_SECOND: Final = 500
_LUCK: Final = 64
_FAILED_CALLS: Final = (0, 0, 0, 0, 1, 1, 3, -2, -21, 10)


class _Outcomes(NamedTuple):
    """The rest of a delivery after its address, up to the instant of its outcome; tuples are chosen from at random."""

    inbox: str
    email: tuple[str, ...]
    voice: tuple[str, ...]
    text: tuple[str, ...]
    text_stopped: str


def possible_status(status: MessageStatus, *, first: int, size: int) -> MessageStatus:
    """`status`, if a message to `size` people from number `first` on can have that status; else SENT."""
    numbers = range(first, first + min(size, _CYCLE))
    letters = {letter for number in numbers for letter in _DEVICES[number % _CYCLE]}
    match status:
        case MessageStatus.ERROR if "V" not in letters:
            return MessageStatus.SENT
        case MessageStatus.CANCELED if not letters:
            return MessageStatus.SENT
        case MessageStatus.CANCELED_IN_PROGRESS if "V" not in letters or not letters & {"I", "E"}:
            return MessageStatus.SENT
    return status


def recipient_lines(
    message: str,
    *,
    first: int,
    size: int,
    draw: Random,
    status: MessageStatus | None = None,
    begun_at: datetime | None = None,
) -> Iterator[bytes]:
    """The lines of `size` people from number `first` on, in the recipient list of `message`.

    With a status and the instant of the first hand-over they are history; without, the message is still to be sent.
    """
    outcomes = _NOTHING_YET if status is None else _history()[status]
    called = names()
    end = "}"
    luck = 0
    for place in range(size):
        number = first + place
        if begun_at is not None and place % _HANDED_OVER_PER_SECOND == 0:
            at = begun_at + timedelta(seconds=1 + place // _HANDED_OVER_PER_SECOND)
            end = f'{at.isoformat()}"}}'
        if place == 0 or not (_shares_phone(number) or _shares_mailbox(number)):
            luck = draw.getrandbits(18)
        name, child = called[number % len(called)]
        yield (
            f'{{"kind":"recipient","message":"{message}","person":{{"id":"c{number}","name":{name}}},'
            f'"student":{{"id":"s{number}","name":{child}}},'
            f'"devices":[{_devices(number, luck, outcomes, end)}]}}\n'
        ).encode()


def _devices(number: int, luck: int, outcomes: _Outcomes, end: str) -> str:
    """The devices of one person; `luck` has six random bits for the email, six for the call, six for the text."""
    phone = number - _shares_phone(number)
    mailbox = number - _shares_mailbox(number)
    address = f"+1{_FIRST_AREA + phone // _EXCHANGE}555{phone % _EXCHANGE:04}"
    devices = []
    for letter in _DEVICES[number % _CYCLE]:
        if letter == "I":
            devices.append(f'{{"mode":"INBOX","address":"c{number}"{outcomes.inbox}{end}')
        elif letter == "E":
            outcome = outcomes.email[luck & 63]
            devices.append(f'{{"mode":"EMAIL","address":"c{mailbox}@mail.example"{outcome}{end}')
        elif letter == "V":
            outcome = outcomes.voice[luck >> 6 & 63]
            devices.append(f'{{"mode":"VOICE","address":"{address}"{outcome}{end}')
        else:
            outcome = outcomes.text_stopped if number % 40 == 7 else outcomes.text[luck >> 12]
            devices.append(f'{{"mode":"TEXT","address":"{address}"{outcome}{end}')
    return ",".join(devices)


def _shares_phone(number: int) -> bool:
    """Whether this person shares the phone number of the previous one: one in ten."""
    return number % 10 == 9


def _shares_mailbox(number: int) -> bool:
    """Whether this person shares the email address of the previous one: one in twenty-five."""
    return number % 25 == 24


def _outcome(
    status: DeliveryStatus, code: int | None = None, *, confirmed: bool = False, of: int = 1
) -> tuple[str, ...]:
    """The JSON after the address for this outcome, `of` times."""
    parts = [f',"status":"{status}"']
    if code is not None:
        parts.append(f'"callStatus":{code}')
    if confirmed:
        parts.append('"confirmed":true')
    return (",".join([*parts, '"at":"']),) * of


@cache
def _history() -> Mapping[MessageStatus, _Outcomes]:
    sent = _outcome(DeliveryStatus.SENT)
    canceled = _outcome(DeliveryStatus.CANCELED)
    late = _outcome(DeliveryStatus.IN_PROGRESS)
    opted_out = _outcome(DeliveryStatus.OPTED_OUT, OPTED_OUT)
    email = (
        *_outcome(DeliveryStatus.SENT, of=_LUCK - 24),
        *_outcome(DeliveryStatus.DELIVERED, of=22),
        *_outcome(DeliveryStatus.FAILED, of=2),
    )
    voice = (
        *_outcome(DeliveryStatus.DELIVERED, LIVE_PERSON, of=_LUCK - 45),
        *_outcome(DeliveryStatus.DELIVERED, LIVE_PERSON, confirmed=True, of=8),
        *_outcome(DeliveryStatus.DELIVERED, ANSWERING_MACHINE, of=25),
        *_outcome(DeliveryStatus.DELIVERED, PRECONNECT_DONE),
        *_outcome(DeliveryStatus.FAILED, PBX),
        *(part for code in _FAILED_CALLS for part in _outcome(DeliveryStatus.FAILED, code)),
    )
    text = (
        *_outcome(DeliveryStatus.DELIVERED, TEXT_DELIVERED, of=_LUCK - 12),
        *_outcome(DeliveryStatus.SENT, TEXT_SENT, of=8),
        *_outcome(DeliveryStatus.FAILED, TEXT_FAILED, of=2),
        *_outcome(DeliveryStatus.FAILED, TEXT_UNDELIVERED, of=2),
    )
    never = canceled * _LUCK
    return {
        MessageStatus.SENT: _Outcomes(sent[0], email, voice, text, opted_out[0]),
        # The voice provider has reported nothing.
        MessageStatus.ERROR: _Outcomes(sent[0], email, late * _LUCK, text, opted_out[0]),
        MessageStatus.CANCELED: _Outcomes(canceled[0], never, never, never, canceled[0]),
        # Inbox and email had left, calls and texts had not.
        MessageStatus.CANCELED_IN_PROGRESS: _Outcomes(sent[0], email, never, never, canceled[0]),
    }


_NOTHING_YET: Final = _Outcomes("", ("",) * _LUCK, ("",) * _LUCK, ("",) * _LUCK, "")


@cache
def names() -> tuple[tuple[str, str], ...]:
    """Names of parents and their children as JSON; all different pairs, in random order."""
    pairs: list[tuple[str, str]] = []
    for language in name_languages():
        # A middle initial makes names differ; scripts without initials repeat names instead.
        initials = [""] * (1 + len(ascii_uppercase))
        if language.is_latin:
            initials[1:] = [f" {letter}." for letter in ascii_uppercase]
        for family, (place, adult) in product(language.families, enumerate(language.adults)):
            for initial in initials:
                child = language.children[(place + len(pairs)) % len(language.children)]
                pairs.append((language.full(family, adult) + initial, language.full(family, child)))
    Random(0).shuffle(pairs)
    return tuple((as_json(parent), as_json(child)) for parent, child in pairs)


def as_json(text: str) -> str:
    """A text as a JSON string."""
    return orjson.dumps(text).decode()
