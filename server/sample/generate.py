"""Generates any number of messages of any size for benchmarks, reproducible from the arguments.

Lines are built one by one, so memory is constant. `crowd` generates the recipients.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from domain.message import Source
from domain.status import DeliveryMode, MessageStatus
from server.sample import crowd
from server.sample.crowd import as_json
from server.sample.wording import MessageKind, Wording, kinds

MOST_SCHOOLS: Final = 60

_NAME: Final = "Lakeview Schools"
_ZONE: Final = ZoneInfo("America/Chicago")
_PLACES: Final = (
    *("Birch Lane", "Cedar Creek", "Eagle Point", "Fox Hollow", "Glacier Ridge", "Heritage", "Island Lake"),
    *("Jackson", "Kennedy", "Lone Oak", "Maple Grove", "North Star", "Oxbow", "Pine Bend", "Quarry Hill"),
    *("River Falls", "Sand Creek", "Turtle Lake", "Union", "Valley View"),
)  # fmt: skip
_LEVELS: Final = ("Elementary", "Middle", "High")
_GROUPS: Final = (
    *("Grade", "Room", "Section", "Bus", "Team", "Course", "Club", "Period", "Lab", "Case"),
)  # fmt: skip
_SENDERS: Final = 40
_USUAL_PEOPLE: Final = 100_000
_STATUSES: Final = (
    *(MessageStatus.SENT,) * 94,
    *(MessageStatus.ERROR,) * 3,
    *(MessageStatus.CANCELED,) * 2,
    MessageStatus.CANCELED_IN_PROGRESS,
)
_CANCELED: Final = (MessageStatus.CANCELED, MessageStatus.CANCELED_IN_PROGRESS)
_MODES: Final = ",".join(f'"{mode}"' for mode in DeliveryMode)


def lines(
    *,
    messages: int,
    recipients: int,
    seed: int = 1,
    uneven: bool = False,
    people: int | None = None,
    district: str = "lakeview",
    schools: int = 12,
    since: date = date(2019, 2, 1),
    until: date = date(2020, 1, 31),
) -> Iterator[bytes]:
    """A log of `messages` messages to `recipients` people each: history, created on weekdays from `since` to `until`.

    A recipient has 2.5 deliveries on average; one person in ten shares a phone. With `uneven` the sizes differ, with a mean
    near `recipients`. `people`: the population of the district; by default enough for all messages, at most 100,000, at least
    the size of one message. Ids depend on `seed` alone: use another one for a second file of the same log. Raises `ValueError`
    before the first line if the numbers contradict each other.
    """
    size = _size(messages, recipients, people, uneven=uneven)
    days = _weekdays(since, until)
    return _history(_Town(district, schools), messages, size, days, seed)


def live_lines(
    *,
    messages: int,
    recipients: int,
    starting: datetime,
    every: timedelta = timedelta(minutes=1),
    seed: int = 1,
    uneven: bool = False,
    people: int | None = None,
    district: str = "lakeview",
    schools: int = 12,
) -> Iterator[bytes]:
    """Messages to be sent, all created at `starting`: the first is due then, the others at intervals of `every`.

    `starting` must have a zone. It is part of the ids, so later calls make other messages. Other arguments as for `lines`.
    """
    if starting.tzinfo is None:
        raise ValueError(
            f"starting: {starting.isoformat()} has no zone: write {starting.isoformat()}Z"
        )
    size = _size(messages, recipients, people, uneven=uneven)
    return _live(_Town(district, schools), messages, size, starting, every, seed)


class _Size(NamedTuple):
    """The number of recipients of each message, and the population."""

    mean: int
    is_uneven: bool
    people: int

    def drawn(self, draw: Random) -> int:
        """The size of the next message; if sizes differ, most messages go to few people and few to many."""
        if not self.is_uneven or self.mean == 0:
            return self.mean
        return min(self.people, max(1, round(draw.expovariate(1 / self.mean))))


def _size(messages: int, recipients: int, people: int | None, *, uneven: bool) -> _Size:
    if messages < 0 or recipients < 0:
        raise ValueError(
            f"messages: {messages}, recipients: {recipients}: neither can be less than 0"
        )
    if people is None:
        largest = recipients * 10 if uneven else recipients
        people = max(largest, min(messages * recipients, _USUAL_PEOPLE), 1)
    if not max(recipients, 1) <= people <= crowd.MOST_PEOPLE:
        raise ValueError(
            f"people: {people} is out of range: for messages to {recipients} there can be {max(recipients, 1)} "
            f"to {crowd.MOST_PEOPLE} people"
        )
    return _Size(recipients, uneven, people)


class _Town:
    """A district, as pieces of JSON from which its lines are built."""

    def __init__(self, district: str, schools: int) -> None:
        if not 0 <= schools <= MOST_SCHOOLS:
            raise ValueError(
                f"schools: {schools} is out of range: there can be 0 to {MOST_SCHOOLS}"
            )
        self._district = as_json(district)
        schooled = [f"{place} {level}" for level in _LEVELS for place in _PLACES][:schools]
        slugs = {name: name.lower().replace(" ", "-") for name in schooled}
        self.opening = (
            f'{{"kind":"district","id":{self._district},"name":"{_NAME}","timeZone":"{_ZONE.key}",'
            f'"hasVoice":true,"callWindow":["08:00","20:00"]}}\n'.encode(),
            *(
                f'{{"kind":"school","id":"{slug}","district":{self._district},"name":"{name}"}}\n'.encode()
                for name, slug in slugs.items()
            ),
        )
        self._places = ["null", *(f'"{slug}"' for slug in slugs.values())]
        self._texts = [
            _text(kind, wording) for kind in kinds().values() for wording in kind.wordings
        ]
        self._senders = [
            f'{{"id":"u{number}","name":{name}}}'
            for number, (name, _) in enumerate(crowd.names()[:_SENDERS])
        ]

    def message(
        self,
        ident: str,
        draw: Random,
        *,
        created_at: datetime,
        scheduled_at: datetime,
        status: MessageStatus | None = None,
    ) -> bytes:
        """The line of a message; with a status it is history, and may come from a scheduler."""
        text = draw.choice(self._texts)
        subject = f"{text.subject} – {draw.choice(_GROUPS)} {int(draw.random() * 1000)}"
        is_scheduled = status is not None and text.source is Source.SCHEDULER
        schedule = f'"{1000 + int(draw.random() * 200)}"' if is_scheduled else "null"
        source = text.source if status is not None else Source.TEMPLATE
        sender = draw.choice(self._senders)
        due = scheduled_at.isoformat()
        history = "" if status is None else f',"status":"{status}"'
        if status in _CANCELED:
            history += f',"cancellation":{{"at":"{due}","by":{sender}}}'
        return (
            f'{{"kind":"message","id":"{ident}","district":{self._district},"school":{draw.choice(self._places)},'
            f'"subject":"{subject}",{text.rest},"sender":{sender},'
            f'"createdAt":"{created_at.isoformat()}","scheduledAt":"{due}",'
            f'"scheduleId":{schedule},"source":"{source}","modes":[{_MODES}],'
            f'"filterCriteria":[{{"label":"Deliver To","value":"Student Messenger Contacts"}}]{history}}}\n'
        ).encode()


class _Text(NamedTuple):
    """The texts of a message: the beginning of its subject without quotes, the others as JSON."""

    subject: str
    rest: str
    source: Source


def _text(kind: MessageKind, wording: Wording) -> _Text:
    def quoted(text: str | None) -> str:
        return "null" if text is None else as_json(text.format(school=_NAME, day="this week"))

    rest = (
        f'"type":{{"code":"{kind.type["code"]}","label":"{kind.type["label"]}"}},"body":{quoted(wording.body)},'
        f'"bodyFormat":"{wording.format}","textBody":{quoted(wording.text)},"voiceScript":{quoted(wording.voice)},'
        f'"replyTo":"office@lakeview.example"'
    )
    if kind.category is not None:
        rest += f',"category":{as_json(kind.category)}'
    return _Text(quoted(wording.subject)[1:-1], rest, kind.source)


def _history(
    town: _Town, messages: int, size: _Size, days: Sequence[date], seed: int
) -> Iterator[bytes]:
    draw = Random(seed)
    yield from town.opening
    for number in range(messages):
        ident = f"g{seed}-{number:07}"
        day = days[number * len(days) // messages]
        # Between 7:00 and 17:00.
        minute = 7 * 60 + int(draw.random() * 600)
        at = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=_ZONE)
        crowd_size = size.drawn(draw)
        first = int(draw.random() * (size.people - crowd_size + 1))
        status = crowd.possible_status(draw.choice(_STATUSES), first=first, size=crowd_size)
        yield town.message(ident, draw, created_at=at, scheduled_at=at, status=status)
        yield from crowd.recipient_lines(
            ident, first=first, size=crowd_size, draw=draw, status=status, begun_at=at
        )
        yield _end(ident)


def _live(
    town: _Town, messages: int, size: _Size, starting: datetime, every: timedelta, seed: int
) -> Iterator[bytes]:
    draw = Random(seed)
    yield from town.opening
    for number in range(messages):
        ident = f"l{seed}-{int(starting.timestamp())}-{number:07}"
        crowd_size = size.drawn(draw)
        first = int(draw.random() * (size.people - crowd_size + 1))
        due = starting + number * every
        yield town.message(ident, draw, created_at=starting, scheduled_at=due)
        yield from crowd.recipient_lines(ident, first=first, size=crowd_size, draw=draw)
        yield _end(ident)


def _end(ident: str) -> bytes:
    return f'{{"kind":"end","message":"{ident}"}}\n'.encode()


def _weekdays(since: date, until: date) -> list[date]:
    days = [since + timedelta(days=offset) for offset in range((until - since).days + 1)]
    weekdays = [day for day in days if day.weekday() < 5]
    if not weekdays:
        raise ValueError(f"since: {since}, until: {until}: no weekday lies between them")
    return weekdays
