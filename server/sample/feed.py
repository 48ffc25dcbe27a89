"""Messages that arrive while the demo runs, to be sent: of every kind of the sample, to its people.

When the next one comes, and where they go, is the demo's.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Final

from domain.message import Source
from server.sample.line import EndLine, RecipientLine, encode
from server.sample.outcomes import Addressee
from server.sample.plainview import DISTRICT, ZONE
from server.sample.plan import Sending, plan
from server.sample.school_year import weekdays
from server.sample.year import message_line

SEED: Final = 2020

_FIRST: Final = "emergency"
_AHEAD: Final = (timedelta(minutes=2), timedelta(minutes=3), timedelta(minutes=5))


def opening() -> bytes:
    """The district, but with calls at all hours: whoever looks at the demo at night should see some as well."""
    return encode({**DISTRICT, "callWindow": None})


def sendings(seed: int = SEED) -> Iterator[Sending]:
    """Messages of the sample year without end, in rounds: one of each kind comes before any comes again.

    A round begins with an emergency, which goes to all families and is on its way for longest. The times are the year's.
    """
    draw = Random(seed)
    by_kind: dict[str, list[Sending]] = {}
    for day in weekdays():
        for sending in plan(draw, day):
            by_kind.setdefault(sending.kind.name, []).append(sending)
    others = sorted(by_kind.keys() - {_FIRST})
    while True:
        for name in (_FIRST, *draw.sample(others, len(others))):
            yield draw.choice(by_kind[name])


def live(sending: Sending, number: int, *, now: datetime) -> Sending:
    """The same, made now. What a person wrote is every other time for some minutes later, emergencies never."""
    at = now.astimezone(ZONE).replace(microsecond=0)
    kind = sending.kind
    is_for_later = (
        kind.source is Source.TEMPLATE and kind.type["code"] != "EMERGENCY" and number % 2
    )
    ahead = _AHEAD[number % len(_AHEAD)] if is_for_later else timedelta()
    return sending._replace(created_at=at, scheduled_at=at + ahead)


def lines(sending: Sending) -> Iterator[bytes]:
    """A message with its recipients, as it comes in; its id tells when it was made."""
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
