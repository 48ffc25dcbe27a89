"""Generates messages to be sent while the demo runs: of every kind of the sample, to its people.

`server.cli.demo` decides when each is taken in.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Final

from domain.message import Source
from server.sample.district.plainview import DISTRICT, ZONE
from server.sample.district.school_year import weekdays
from server.sample.line import EndLine, RecipientLine, encode
from server.sample.outcomes import Addressee
from server.sample.plan import PlannedMessage, plan
from server.sample.year import message_line

SEED: Final = 2020

_FIRST: Final = "emergency"
_AHEAD: Final = (timedelta(minutes=2), timedelta(minutes=3), timedelta(minutes=5))


def opening() -> bytes:
    """The district without call hours, so that visitors of the demo see calls at night, too."""
    return encode({**DISTRICT, "callWindow": None})


def sendings(seed: int = SEED) -> Iterator[PlannedMessage]:
    """An endless series of messages of the sample year, in rounds with one of each kind.

    A round begins with an emergency to all families, which takes longest to send. The times are those of the year.
    """
    draw = Random(seed)
    by_kind: dict[str, list[PlannedMessage]] = {}
    for day in weekdays():
        for sending in plan(draw, day):
            by_kind.setdefault(sending.kind.name, []).append(sending)
    others = sorted(by_kind.keys() - {_FIRST})
    while True:
        for name in (_FIRST, *draw.sample(others, len(others))):
            yield draw.choice(by_kind[name])


def live(sending: PlannedMessage, number: int, *, now: datetime) -> PlannedMessage:
    """The message as created now. Every other message of a person is scheduled for some minutes later, emergencies never."""
    at = now.astimezone(ZONE).replace(microsecond=0)
    kind = sending.kind
    is_for_later = (
        kind.source is Source.TEMPLATE and kind.type["code"] != "EMERGENCY" and number % 2
    )
    ahead = _AHEAD[number % len(_AHEAD)] if is_for_later else timedelta()
    return sending._replace(created_at=at, scheduled_at=at + ahead)


def lines(sending: PlannedMessage) -> Iterator[bytes]:
    """A message with its recipients; its id contains the time of its creation."""
    ident = f"{sending.created_at:%Y-%m-%dT%H:%M:%S}-{sending.kind.name}"
    yield encode(message_line(sending, ident))
    for addressee in sending.addressees:
        yield encode(_recipient(ident, addressee))
    end: EndLine = {"kind": "end", "message": ident}
    yield encode(end)


def _recipient(message: str, addressee: Addressee) -> RecipientLine:
    person, student, devices = addressee
    return {
        "kind": "recipient",
        "message": message,
        "person": person.named,
        "student": None if student is None else student.named,
        "devices": [{"mode": device.mode, "address": device.address} for device in devices],
    }
