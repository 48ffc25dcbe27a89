"""Plans the messages of a day in Plainview: kind, place, time, audience and sender. `outcomes` adds the outcomes."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Final, NamedTuple, TypeVar

from domain.message import Source
from server.sample.district.people import ADMINISTRATOR, MATTHEWS, directory
from server.sample.district.plainview import SCHOOLS, ZONE, SampleSchool
from server.sample.district.school_year import LAST_DAY, is_school_day, is_summer
from server.sample.line import Named
from server.sample.outcomes import Addressee
from server.sample.wording import Audience, MessageKind, Wording, kinds

T = TypeVar("T")

_HIGH: Final = frozenset({"high"})
_SECONDARY: Final = frozenset({"high", "middle"})
_EVERY: Final = frozenset({"high", "middle", "elementary"})
_DISTRICT: Final = frozenset({"district"})
_ALL_WEEK: Final = frozenset(range(5))


class PlannedMessage(NamedTuple):
    """A planned message; `school` null for the whole district."""

    kind: MessageKind
    wording: Wording
    school: SampleSchool | None
    created_at: datetime
    scheduled_at: datetime
    sender: Named
    schedule_id: str | None
    addressees: tuple[Addressee, ...]


class _RecurringMessage(NamedTuple):
    """A recurring message.

    At each place of the levels, on each of the weekdays (Monday is 0): at most `most` times, each with probability `chance`,
    between the two `hours`, to a share of the possible recipients between two bounds; a share of 0 is one recipient.
    """

    kind: str
    levels: frozenset[str]
    weekdays: frozenset[int]
    chance: float
    most: int
    hours: tuple[time, time]
    shares: tuple[float, float]


_ROUTINES: Final = (
    _RecurringMessage("attendance", _EVERY, _ALL_WEEK, 0.7, 1, (time(9, 15), time(9, 40)), (0.02, 0.08)),
    _RecurringMessage("period-absence", _SECONDARY, _ALL_WEEK, 0.8, 1, (time(15, 40), time(16, 5)), (0.02, 0.06)),
    _RecurringMessage("behavior", _HIGH, _ALL_WEEK, 0.5, 3, (time(8, 20), time(15, 30)), (0, 0)),
    _RecurringMessage("behavior", _EVERY - _HIGH, _ALL_WEEK, 0.3, 2, (time(8, 40), time(15, 10)), (0, 0)),
    _RecurringMessage("missing-assignment", _SECONDARY, frozenset({0, 2, 4}), 1, 1, (time(15, 30), time(15, 30)), (0.05, 0.12)),
    _RecurringMessage("missing-assignment-pupil", _SECONDARY, frozenset({1}), 1, 1, (time(15, 30), time(15, 30)), (0.05, 0.1)),
    _RecurringMessage("message-builder", _EVERY, _ALL_WEEK, 0.3, 1, (time(10, 0), time(15, 0)), (0.05, 0.2)),
    _RecurringMessage("newsletter", _EVERY, frozenset({4}), 0.35, 1, (time(13, 30), time(15, 30)), (1, 1)),
    _RecurringMessage("special-ed", _DISTRICT, _ALL_WEEK, 0.4, 1, (time(10, 0), time(10, 0)), (0, 0.06)),
    _RecurringMessage("iep-meeting", _EVERY, _ALL_WEEK, 0.2, 1, (time(11, 0), time(15, 0)), (0, 0)),
    _RecurringMessage("grades", _SECONDARY, frozenset({3}), 1, 1, (time(16, 30), time(16, 30)), (0.03, 0.08)),
    _RecurringMessage("lunch-balance", _EVERY, frozenset({1, 3}), 0.8, 1, (time(10, 0), time(10, 0)), (0.04, 0.1)),
    _RecurringMessage("health", _EVERY, _ALL_WEEK, 0.2, 1, (time(9, 30), time(14, 30)), (0, 0)),
    _RecurringMessage("transportation", _DISTRICT, _ALL_WEEK, 0.25, 1, (time(8, 0), time(8, 20)), (0.01, 0.04)),
    _RecurringMessage("fees", _EVERY, frozenset({2}), 0.15, 1, (time(12, 0), time(12, 0)), (0.03, 0.1)),
    _RecurringMessage("staff-notice", _EVERY, _ALL_WEEK, 0.1, 1, (time(12, 0), time(15, 0)), (0.3, 1)),
)  # fmt: skip
_SUMMER_ROUTINES: Final = (
    _RecurringMessage("message-builder", _DISTRICT, frozenset({1}), 0.8, 1, (time(9, 0), time(14, 0)), (0.1, 0.3)),
    _RecurringMessage("special-ed", _DISTRICT, _ALL_WEEK, 0.2, 1, (time(10, 0), time(10, 0)), (0, 0.06)),
    _RecurringMessage("fees", _EVERY, frozenset({2}), 0.2, 1, (time(12, 0), time(12, 0)), (0.03, 0.08)),
)  # fmt: skip


class _OneOff(NamedTuple):
    """A single message: `place` is a school's id, null for the district, "each" for every school."""

    day: date
    at: time
    kind: str
    subject: str
    place: str | None


_EVENTS: Final = (
    _OneOff(date(2019, 2, 6), time(19, 5), "emergency", "Two-Hour Late Start Tomorrow", None),
    _OneOff(date(2019, 2, 19), time(18, 40), "emergency", "Schools Closed Tomorrow", None),
    _OneOff(date(2019, 3, 14), time(10, 55), "emergency", "Early Dismissal at 12:30 PM", None),
    _OneOff(date(2019, 4, 5), time(15, 0), "report-cards", "Report Cards Are Posted", "each"),
    _OneOff(date(2019, 5, 9), time(10, 20), "emergency", "Lockdown Drill Completed", "harrison-high"),
    _OneOff(date(2019, 6, 7), time(15, 0), "report-cards", "Report Cards Are Posted", "each"),
    _OneOff(date(2019, 9, 12), time(9, 50), "emergency", "Water Main Break: No Water in the Building", "lincoln-elementary"),
    _OneOff(date(2019, 10, 10), time(10, 15), "emergency", "Lockdown Drill Completed", "plainview-middle"),
    _OneOff(date(2019, 11, 8), time(15, 0), "report-cards", "Report Cards Are Posted", "each"),
    _OneOff(date(2019, 11, 26), time(18, 55), "emergency", "Schools Closed Tomorrow", None),
    _OneOff(date(2020, 1, 16), time(19, 10), "emergency", "Two-Hour Late Start Tomorrow", None),
    _OneOff(date(2020, 1, 24), time(15, 0), "report-cards", "Report Cards Are Posted", "each"),
)  # fmt: skip


def plan(draw: Random, day: date) -> list[PlannedMessage]:
    """The messages of `day`, in the order of their creation."""
    sendings = [*_once(draw, day), *_again(draw, day)]
    return sorted(sendings, key=lambda sending: sending.created_at)


def _again(draw: Random, day: date) -> Iterator[PlannedMessage]:
    for routine in _routines_of(day):
        if day.weekday() not in routine.weekdays:
            continue
        kind = kinds()[routine.kind]
        for place in _places(routine.levels):
            for _ in range(routine.most):
                if draw.random() < routine.chance:
                    at = _between(draw, day, routine.hours)
                    wording = draw.choice(kind.fitting(place.level if place else "district"))
                    yield _sending(draw, kind, wording, place, at, routine.shares)


def _routines_of(day: date) -> Sequence[_RecurringMessage]:
    if is_school_day(day):
        return _ROUTINES
    return _SUMMER_ROUTINES if is_summer(day) else ()


def _once(draw: Random, day: date) -> Iterator[PlannedMessage]:
    for event in _EVENTS:
        if event.day != day:
            continue
        kind = kinds()[event.kind]
        wording = next(w for w in kind.wordings if w.subject == event.subject)
        for place in _places_of(event):
            at = datetime.combine(day, event.at, ZONE)
            yield _sending(draw, kind, wording, place, at, (1, 1))


def _places(levels: frozenset[str]) -> list[SampleSchool | None]:
    schools: list[SampleSchool | None] = [school for school in SCHOOLS if school.level in levels]
    return [*schools, None] if "district" in levels else schools


def _places_of(event: _OneOff) -> list[SampleSchool | None]:
    if event.place is None:
        return [None]
    return [school for school in SCHOOLS if event.place in ("each", school.id)]


def _between(draw: Random, day: date, hours: tuple[time, time]) -> datetime:
    first, last = (datetime.combine(day, hour, ZONE) for hour in hours)
    return first + timedelta(minutes=draw.randint(0, (last - first) // timedelta(minutes=1)))


def _sending(
    draw: Random,
    kind: MessageKind,
    wording: Wording,
    school: SampleSchool | None,
    at: datetime,
    shares: tuple[float, float],
) -> PlannedMessage:
    return PlannedMessage(
        kind=kind,
        wording=wording,
        school=school,
        created_at=at,
        scheduled_at=at + _delay(draw, kind, at),
        sender=_sender(draw, kind, school),
        schedule_id=_schedule_id(kind, school),
        addressees=_addressees(draw, kind, school, shares),
    )


def _delay(draw: Random, kind: MessageKind, at: datetime) -> timedelta:
    """How long after its creation a message is due; people may schedule it for later, at the end of the year for next week."""
    if kind.source is not Source.TEMPLATE or kind.type["code"] == "EMERGENCY":
        return timedelta()
    if (LAST_DAY - at.date()).days < 5 and draw.random() < 0.4:
        return timedelta(days=7)
    return timedelta(minutes=draw.choice((0, 0, 0, 0, 5, 10, 30, 60, 120)))


def _sender(draw: Random, kind: MessageKind, school: SampleSchool | None) -> Named:
    if kind.type["code"] == "SPECIAL_ED":
        return MATTHEWS
    if kind.source is not Source.TEMPLATE or draw.random() < 0.25:
        return ADMINISTRATOR
    # The office: three people at a school write to its families.
    return draw.choice(directory().staff_of(school)[:3]).named


def _schedule_id(kind: MessageKind, school: SampleSchool | None) -> str | None:
    if kind.source is not Source.SCHEDULER:
        return None
    place = 0 if school is None else SCHOOLS.index(school) + 1
    return str(1000 + 10 * list(kinds()).index(kind.name) + place)


def _addressees(
    draw: Random, kind: MessageKind, school: SampleSchool | None, shares: tuple[float, float]
) -> tuple[Addressee, ...]:
    everybody = directory()
    match kind.audience:
        case Audience.CONTACTS_OF_STUDENTS:
            students = _some(draw, everybody.students_of(school), shares)
            pairs = [(contact, s.person) for s in students for contact in s.contacts]
            return tuple(Addressee(c, student, c.devices_for(kind.modes)) for c, student in pairs)
        case Audience.STUDENTS:
            people = [s.person for s in _some(draw, everybody.students_of(school), shares)]
        case Audience.CONTACTS:
            people = _some(draw, tuple(everybody.contacts_of(school)), shares)
        case Audience.STAFF:
            people = _some(draw, everybody.staff_of(school), shares)
    return tuple(Addressee(person, None, person.devices_for(kind.modes)) for person in people)


def _some(draw: Random, pool: Sequence[T], shares: tuple[float, float]) -> list[T]:
    return draw.sample(pool, max(1, round(len(pool) * draw.uniform(*shares))))
