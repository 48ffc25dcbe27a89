"""The rows of the large log by table, as the ingest writes them."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from db.log.counters import NO_CODE
from domain.figures import BOUNDS
from domain.search import date_text, fold
from domain.words import join_words

ZONE: Final = ZoneInfo("America/Chicago")
FROM: Final = datetime(2020, 1, 1, 6, tzinfo=UTC)
DAYS: Final = 3 * 365
BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)
SCHOOLS: Final = 20
TYPES: Final = (
    ("ATT", "Attendance"),
    ("BEHAVIOR", "Behavior"),
    ("BUS", "Transportation"),
    ("EMERGENCY", "Emergency"),
    ("FEES", "Fees"),
    ("FOOD", "Food Service"),
    ("GENERAL", "General"),
    ("GRADES", "Grades"),
    ("HEALTH", "Health"),
    ("LIBRARY", "Library"),
    ("SURVEY", "Survey"),
    ("TEACHER", "Teacher"),
)
STATUSES: Final = ("SENT",) * 90 + ("ERROR",) * 7 + ("CANCELED",) * 3
OPENINGS: Final = ("School", "The school", "Bus 12", "Lunch", "Your student", "Parent evening")
MIDDLES: Final = ("is cancelled", "is late", "was absent", "needs an answer", "has changed")
ENDINGS: Final = ("today", "on Monday", "due to weather", "in period 3", "at Harrison High")
SURNAMES: Final = ("Nguyễn", "Parker", "Łukasz", "Garcia", "Johnson", "Olsen", "Smith", "王")
NAMES: Final = ("Heather", "Zoë", "Calvin", "Maria", "Tad", "小明", "José", "Ann")
PER_CHUNK: Final = 500
CROWD: Final = 1
"""The id of the message with the most recipients."""

CLASS: Final = 2
"""The id of a message with as many recipients as a screen shows."""

OF_CLASS: Final = 100

Row = Sequence[Any]


class Size(NamedTuple):
    """The size of the log: the first message has `crowd` recipients, the second a hundred; every five others `of_five`."""

    messages: int
    of_five: int
    people: int
    crowd: int


class Load(NamedTuple):
    """The rows of one table."""

    table: str
    columns: str
    rows: Iterable[Row]


def size_of(messages: int, deliveries: int, crowd: int) -> Size:
    """Return the size with about this many deliveries, two and a half per recipient."""
    others = max(0, deliveries * 2 // 5 - crowd)
    return Size(messages, others * 5 // messages, max(crowd, OF_CLASS), crowd)


GATEWAYS: Final = {"INBOX": "inbox", "EMAIL": "smtp", "VOICE": "twilio"}
DELAYS: Final[Mapping[str, Sequence[int]]] = {
    "INBOX": BOUNDS[:1],
    "EMAIL": BOUNDS[1:4],
    "VOICE": BOUNDS[10:30],
}
"""The seconds from handover to outcome, by mode."""

BODY: Final = "School is cancelled due to weather."
SUBJECT: Final = 10
"""The place of the subject in the row of a message."""

# The contents of each row


def _message(number: int, size: Size) -> Row:
    chance = random.Random(number)
    created = FROM + timedelta(minutes=number * DAYS * 1440 // size.messages)
    scheduled = created + timedelta(minutes=chance.choice((0, 0, 0, 5, 60, 1440)))
    school = chance.randrange(SCHOOLS + 1) or None
    code, label = chance.choice(TYPES)
    words = (chance.choice(OPENINGS), chance.choice(MIDDLES), chance.choice(ENDINGS))
    subject = f"{' '.join(words)} ({number})"
    if number % 100_000 == 7:
        subject = f"王小明 {words[1]}"
    sender = chance.randrange(200)
    sender_name = f"{SURNAMES[sender % 8]}, {NAMES[sender // 8 % 8]} {sender}"
    schedule = f"S-{chance.randrange(size.messages)}" if chance.random() < 0.3 else None
    listed = len(_listed(number, size))
    return (
        number,
        1,
        f"M-{number}",
        school,
        school and _school(school),
        BEGINNING,
        chance.choice(STATUSES) if number > CLASS else "SENT",
        code,
        label,
        fold(label),
        subject,
        fold(subject),
        f"u{sender}",
        sender_name,
        fold(sender_name),
        created,
        fold(date_text(created, ZONE)),
        scheduled,
        fold(date_text(scheduled, ZONE)),
        schedule,
        schedule and fold(schedule),
        "TEMPLATE",
        "INBOX,EMAIL,VOICE",
        True,
        listed,
        0,
        sum(map(_is_reached, _listed(number, size))),
        1,
        False,
        not all(_is_reached(person % size.people) for person in _listed(number, size)),
    )


def _school(number: int) -> str:
    return f"school {number:02}"


def _listed(number: int, size: Size) -> range:
    """Return the people of a message, as numbers that wrap around after the last person."""
    if number == CROWD:
        return range(size.crowd)
    if number == CLASS:
        return range(OF_CLASS)
    first = number * size.of_five // 5
    return range(first, (number + 1) * size.of_five // 5)


def _is_reached(person: int) -> bool:
    return person % 10 != 0


def _name(person: int) -> str:
    return f"{SURNAMES[person % 8]}, {NAMES[person // 8 % 8]} {person}"


def _student(person: int) -> str:
    return f"{SURNAMES[person % 8]}, {NAMES[person // 64 % 8]} of {person}"


def _messages(size: Size) -> Iterator[Row]:
    return (_message(number, size) for number in range(1, size.messages + 1))


def _contents(size: Size) -> Iterator[Row]:
    for number in range(1, size.messages + 1):
        digest, words = number.to_bytes(32), join_words([_message(number, size)[SUBJECT], BODY])
        yield number, BODY, "PLAIN", "[]", digest, words


def _people(size: Size) -> Iterator[Row]:
    for person in range(size.people):
        yield 2 * person + 1, 1, "CONTACT", f"p{person}", _name(person)
        yield 2 * person + 2, 1, "STUDENT", f"s{person}", _student(person)


def _names(size: Size) -> Iterator[Row]:
    for person in range(size.people):
        yield 2 * person + 1, 2 * person + 1, fold(_name(person))
        yield 2 * person + 2, 2 * person + 2, fold(_student(person))


def _addresses(size: Size) -> Iterator[Row]:
    for person in range(size.people):
        yield 3 * person + 1, 1, "ACCOUNT", _account(person)
        yield 3 * person + 2, 1, "PHONE", _phone(person)
        yield 3 * person + 3, 1, "EMAIL", _email(person)


def _account(person: int) -> str:
    return f"account{person}"


def _phone(person: int) -> str:
    return f"+1612{person:07}"


def _email(person: int) -> str:
    return f"p{person}@nomail.example"


def _recipients(size: Size) -> Iterator[Row]:
    rows = [
        (
            2 * person + 1,
            _name(person),
            2 * person + 2,
            _student(person),
            f"{fold(_name(person))}\n{fold(_student(person))}",
            False,
            _is_reached(person),
        )
        for person in range(size.people)
    ]
    for message in range(1, size.messages + 1):
        for number, person in enumerate(_listed(message, size)):
            yield message, number, *rows[person % size.people]


def _deliveries(size: Size, instants: Mapping[int, Any]) -> Iterator[Row]:
    for message in range(1, size.messages + 1):
        at, count = instants[message], 0
        for number, person in enumerate(_listed(message, size)):
            who = person % size.people
            chunk = count // PER_CHUNK
            sent = _sent_to(who)
            count += len(sent)
            for nth, (mode, address, status, code) in enumerate(sent):
                handed_at = at - timedelta(seconds=_delay(mode, message, number))
                gateway = GATEWAYS[mode]
                what = (mode, address, 3 * who + 1 + nth, False, status, code, False)
                yield message, number, nth, chunk, *what, at, 1, handed_at, gateway


def _sent_to(who: int) -> Sequence[tuple[str, str, str, int | None]]:
    """Return the deliveries to a person: mode, address, status, call status."""
    call = ("DELIVERED", 5) if _is_reached(who) else ("FAILED", -5)
    sent: list[tuple[str, str, str, int | None]] = [
        ("INBOX", _account(who), "SENT", None),
        ("VOICE", _phone(who), *call),
    ]
    if who % 2:
        sent.append(("EMAIL", _email(who), "SENT", None))
    return sent


def _delay(mode: str, message: int, number: int) -> int:
    delays = DELAYS[mode]
    return delays[(7 * message + number) % len(delays)]


def _failures(size: Size, instants: Mapping[int, Any]) -> Iterator[Row]:
    of: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for message in range(1, size.messages + 1):
        for number, person in enumerate(_listed(message, size)):
            if not _is_reached(who := person % size.people):
                of[who].append((message, number))
    for who, failed in of.items():
        (first, _), (last, number) = failed[0], failed[-1]
        in_several = first != last
        is_problem = in_several and len(failed) > 2
        since = instants[first]
        problem = ("UNREACHABLE", since, instants[last]) if is_problem else (None, None, None)
        run = (len(failed), since, in_several, instants[last])
        yield 3 * who + 2, 1, *run, last, number, 1, *problem


def _tallies(size: Size) -> Iterator[Row]:
    for message in range(1, size.messages + 1):
        counts: Counter[tuple[str, str, int]] = Counter()
        for person in _listed(message, size):
            for mode, _, status, code in _sent_to(person % size.people):
                counts[mode, status, NO_CODE if code is None else code] += 1
        for facts, count in counts.items():
            yield message, *facts, False, count


def _spans(size: Size, instants: Mapping[int, Any]) -> Iterator[Row]:
    for message in range(1, size.messages + 1):
        at, listed = instants[message], _listed(message, size)
        has_email = any(person % size.people % 2 for person in listed)
        for mode in ("INBOX", "VOICE", *(["EMAIL"] if has_email else [])):
            if listed:
                yield message, mode, at, at


def _figures(size: Size) -> Iterator[Row]:
    for message in range(1, size.messages + 1):
        counts: Counter[tuple[str, str, str, int]] = Counter()
        for number, person in enumerate(_listed(message, size)):
            for mode, _, status, _ in _sent_to(person % size.people):
                delay = _delay(mode, message, number)
                counts[mode, GATEWAYS[mode], status, delay] += 1
        for facts, count in counts.items():
            yield message, *facts, count


def _figure_changes(size: Size) -> Iterator[Row]:
    for message in range(1, size.messages + 1):
        created = FROM + timedelta(minutes=message * DAYS * 1440 // size.messages)
        yield message, 1, f"{created.astimezone(ZONE):%Y-%m-%d}"


def loads(size: Size) -> Iterator[Load]:
    """Return the rows of each table, referenced tables first."""
    yield Load(
        "district",
        "id, external_id, name, time_zone, has_voice",
        [(1, "plainview", "Plainview Schools", "America/Chicago", True)],
    )
    schools = [(n, 1, f"s{n}", f"School {n:02}", _school(n)) for n in range(1, SCHOOLS + 1)]
    yield Load("school", "id, district_id, external_id, name, key", schools)
    yield Load(
        "message",
        "id, district_id, external_id, school_id, school_key, visible_from, status, type_code, type_label, type_key, "
        "subject, subject_key, sender_id, sender_name, sender_key, created_at, created_text, scheduled_at, "
        "scheduled_text, schedule_id, schedule_key, source, modes, is_recorded, people, people_without_device, "
        "people_contacted, revision, has_open, has_failures",
        _messages(size),
    )
    yield Load(
        "content", "message_id, body, body_format, filter_criteria, digest, words", _contents(size)
    )
    yield Load("person", "id, district_id, role, external_id, name", _people(size))
    yield Load("person_name", "id, person_id, key", _names(size))
    yield Load("address", "id, district_id, kind, key", _addresses(size))
    yield Load(
        "recipient",
        "message_id, number, person_id, name, student_id, student_name, key, is_repeat, contacted",
        _recipients(size),
    )
    instants = _Instants(size)
    yield Load(
        "delivery",
        "message_id, recipient_number, number, chunk, mode, address, address_id, is_duplicate, status, call_status, "
        "confirmed, at, attempts, handed_at, gateway",
        _deliveries(size, instants),
    )
    yield Load(
        "address_failures",
        "address_id, district_id, failures, run_since, in_several, last_failed_at, last_message_id, "
        "last_recipient_number, last_number, kind, since, latest_at",
        _failures(size, instants),
    )
    yield Load(
        "tally",
        "message_id, mode, status, call_status, is_duplicate, deliveries",
        _tallies(size),
    )
    yield Load("figure", "message_id, mode, gateway, status, delay, deliveries", _figures(size))
    yield Load("figure_change", "message_id, district_id, day", _figure_changes(size))
    yield Load("span", "message_id, mode, started_at, ended_at", _spans(size, instants))


class _Instants(dict[int, datetime]):
    """The time of the deliveries of each message, computed on first access."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self._size = size

    def __missing__(self, number: int) -> datetime:
        return FROM + timedelta(minutes=number * DAYS * 1440 // self._size.messages + 1)
