"""Messages and searches drawn at random, each search with the predicate of the messages that it must find."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from db.connect.database import Database
from db.log.visibility import Visibility
from db.search import facets, log_page
from db.search.criteria import Criteria
from db.search.log_page import OrderField
from db.search.search import prepare
from domain.message import Source
from domain.paging import page
from domain.search import fold, fold_date
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from tests import log

ZONE: Final = ZoneInfo("America/Chicago")
FEW: Final = (1, 2_000)

PLAIN: Final = {
    "Parking": "parking",
    "100%": "100%",
    "a_b": "a_b",
    "O'Brien": "o'brien",
    '"Bob"': '"bob"',
    "C:\\temp\\": "c:\\temp\\",
    "Nguyễn": "nguyen",
    "Zoë": "zoe",
    "Łukasz": "lukasz",
    "Straße": "strasse",
    "王小明": "王小明",
    "小": "小",
    "محمد": "محمد",
    "AND": "and",
    "*": "*",
}
"""Words as they are shown, and as they may be typed without accents."""

words = st.lists(st.sampled_from(sorted(PLAIN)), min_size=1, max_size=3)


@dataclass(frozen=True)
class Person:
    """A recipient of the tests: name and student's name in words, and addresses by mode."""

    name: Sequence[str]
    student: Sequence[str] | None
    addresses: Sequence[tuple[DeliveryMode, str]]
    outcomes: Sequence[DeliveryStatus]


@dataclass(frozen=True)
class Sent:
    """A message of the tests."""

    subject: Sequence[str]
    sender: tuple[str, Sequence[str]]
    type: str
    status: MessageStatus
    school: str | None
    created: datetime
    scheduled: datetime
    schedule: Sequence[str] | None
    source: Source
    chosen: Sequence[DeliveryMode]
    people: Sequence[Person] = field(default_factory=list)

    @property
    def modes(self) -> set[DeliveryMode]:
        """The modes chosen, and those of the deliveries."""
        return {*self.chosen, *(mode for person in self.people for mode, _ in person.addresses)}

    @property
    def has_failures(self) -> bool:
        """Whether the first delivery to some address failed; later ones are duplicates."""
        firsts: dict[tuple[DeliveryMode, str], DeliveryStatus] = {}
        for person in self.people:
            for address, outcome in zip(person.addresses, person.outcomes, strict=False):
                firsts.setdefault(address, outcome)
        return DeliveryStatus.FAILED in firsts.values()


ADDRESSES: Final = (
    (DeliveryMode.EMAIL, "Heather_Lee@NoMail.example"),
    (DeliveryMode.EMAIL, "josé@nomail.example"),
    (DeliveryMode.INBOX, "HParent%1"),
    (DeliveryMode.VOICE, "+16125550101"),
    (DeliveryMode.TEXT, "+16125550199"),
)
people = st.builds(
    Person,
    name=words,
    student=st.none() | words,
    addresses=st.lists(st.sampled_from(ADDRESSES), max_size=2),
    outcomes=st.lists(
        st.sampled_from([DeliveryStatus.SENT, DeliveryStatus.FAILED]), min_size=2, max_size=2
    ),
)
hours = st.integers(-30, 30).map(lambda hour: log.NOON + timedelta(hours=hour))
sent_messages = st.builds(
    Sent,
    subject=words,
    sender=st.tuples(st.sampled_from(["u1", "u2"]), words),
    type=st.sampled_from(["BUS", "it's"]),
    status=st.sampled_from([MessageStatus.SENT, MessageStatus.ERROR, MessageStatus.CANCELED]),
    school=st.sampled_from([None, "east", "west"]),
    created=hours,
    scheduled=hours,
    schedule=st.none() | words,
    source=st.sampled_from([Source.TEMPLATE, Source.SCHEDULER]),
    chosen=st.lists(st.sampled_from(DeliveryMode), unique=True),
    people=st.lists(people, max_size=2),
)


def plain(shown: Sequence[str]) -> str:
    return " ".join(PLAIN[word] for word in shown)


def shown_date(instant: datetime) -> str:
    return instant.astimezone(ZONE).strftime("%m/%d/%Y %I:%M %p").replace(" 0", " ")


# Filters, and the predicate of each

Asked = dict[str, Any]
Rule = Callable[[Sent], bool]

typed = st.one_of(
    st.sampled_from(sorted(PLAIN)),
    st.sampled_from(sorted(PLAIN)).map(str.upper),
    st.sampled_from(sorted(PLAIN.values())),
    st.sampled_from([word[:size] for word in PLAIN.values() for size in (1, 2)]),
    st.sampled_from(
        ["%", "_", "\\", "' OR 1=1", '"', " ", "ng zoe", "nobody", "\0", "\ud800", "x\0y"]
    ),
)
typed_dates = st.sampled_from(
    [
        "01/31/2020",
        "1/31",
        "3:00 PM",
        "03:00 pm",
        "01:00 AM",
        "2020 0",
        "pm",
        " 12",
        "%",
        "/31/2020 11",
    ]
)
typed_people = st.one_of(
    typed,
    st.sampled_from(
        ["lee@nomail", "HEATHER_", "hparent%", "HParent", "josé@", "José", "@nomail.example"]
    ),
    st.sampled_from(
        ["(612) 555-01", "612-555-0199", "+1 612", "55", "5550101", "0101 0199", "101", "9"]
    ),
)


def stands_in(needle: str, *texts: str) -> bool:
    return any(needle in text for text in texts)


def plainly(text: str) -> str:
    """Return a typed text without case and accents."""
    return next((PLAIN[word] for word in PLAIN if text in (word, word.upper())), text.casefold())


def of_date(text: str, instant: datetime) -> bool:
    hour = {"03:00 pm": 15, "01:00 AM": 1}.get(text)
    if hour is not None:
        local = instant.astimezone(ZONE)
        return local.hour == hour and local.minute == 0
    if text == "2020 0":  # the hour has no leading zero, so nothing shows that
        return False
    return text.casefold() in shown_date(instant).casefold()


def of_people(text: str, sent: Sent) -> bool:
    digits = "".join(character for character in text if character.isdigit())
    is_number = len(digits) >= 3 and not set(text) - set("0123456789()+-. ")
    for person in sent.people:
        if stands_in(plainly(text), plain(person.name), plain(person.student or [])):
            return True
        for _, address in person.addresses:
            if stands_in(text.casefold(), address.casefold()):
                return True
            if is_number and digits in address:
                return True
    return False


def school_rule(schools: Sequence[str] | None, district_wide: bool | None) -> Rule:
    if schools is None:
        return lambda sent: (sent.school is None) is bool(district_wide)
    return lambda sent: sent.school in schools or (bool(district_wide) and sent.school is None)


@st.composite
def searches(draw: st.DrawFn) -> tuple[Asked, Rule]:
    """Some parts of a filter, and the predicate of the messages that it must find."""
    asked: Asked = {}
    rules: list[Rule] = []

    def add(part: str, value: Any, rule: Rule) -> None:
        asked[part] = value
        rules.append(rule)

    chosen = draw(st.sets(st.sampled_from(sorted(PARTS)), max_size=3))
    for part in sorted(chosen):
        PARTS[part](draw, add)
    return asked, lambda sent: all(rule(sent) for rule in rules)


def _status(draw: st.DrawFn, add: Callable[..., None]) -> None:
    values = draw(st.lists(st.sampled_from(MessageStatus), max_size=2))
    add("statuses", values, lambda sent: sent.status in values)


def _type(draw: st.DrawFn, add: Callable[..., None]) -> None:
    values = draw(st.lists(st.sampled_from(["BUS", "it's", "bus", "\0"]), max_size=2))
    add("types", values, lambda sent: sent.type in values)


def _school(draw: st.DrawFn, add: Callable[..., None]) -> None:
    schools = draw(st.none() | st.lists(st.sampled_from(["east", "west"]), max_size=2))
    whole = draw(st.booleans() if schools is None else st.none() | st.booleans())
    add("schools", (schools, whole), school_rule(schools, whole))


def _mine(draw: st.DrawFn, add: Callable[..., None]) -> None:
    sender = draw(st.sampled_from(["u1", "u9"]))
    add("sender_id", sender, lambda sent: sent.sender[0] == sender)


def _subject(draw: st.DrawFn, add: Callable[..., None]) -> None:
    text = draw(typed)
    add("subject", fold(text), lambda sent: plainly(text) in plain(sent.subject))


def _sender(draw: st.DrawFn, add: Callable[..., None]) -> None:
    text = draw(typed)
    add("sender", fold(text), lambda sent: plainly(text) in plain(sent.sender[1]))


def _schedule(draw: st.DrawFn, add: Callable[..., None]) -> None:
    text = draw(typed)
    add(
        "schedule_id",
        fold(text),
        lambda sent: sent.schedule is not None and plainly(text) in plain(sent.schedule),
    )


def _created(draw: st.DrawFn, add: Callable[..., None]) -> None:
    text = draw(typed_dates)
    add("created_text", fold_date(text), lambda sent: of_date(text, sent.created))


def _scheduled(draw: st.DrawFn, add: Callable[..., None]) -> None:
    text = draw(typed_dates)
    add("scheduled_text", fold_date(text), lambda sent: of_date(text, sent.scheduled))


def _recipient(draw: st.DrawFn, add: Callable[..., None]) -> None:
    text = draw(
        typed_people.filter(fold)
    )  # a needle of blanks alone is no filter: resolvers drop it
    add("recipient", text, lambda sent: of_people(text, sent))


def _modes(draw: st.DrawFn, add: Callable[..., None]) -> None:
    values = draw(st.lists(st.sampled_from(DeliveryMode), max_size=2))
    add("modes", values, lambda sent: not sent.modes.isdisjoint(values))


def _failures(draw: st.DrawFn, add: Callable[..., None]) -> None:
    value = draw(st.booleans())
    add("has_failures", value, lambda sent: sent.has_failures is value)


def _days(draw: st.DrawFn, add: Callable[..., None]) -> None:
    begin, end = draw(hours), draw(hours)
    add("days", (begin, end), lambda sent: begin <= sent.created < end)


PARTS: Final[dict[str, Callable[..., None]]] = {
    "status": _status,
    "type": _type,
    "school": _school,
    "mine": _mine,
    "subject": _subject,
    "sender": _sender,
    "schedule": _schedule,
    "created": _created,
    "scheduled": _scheduled,
    "recipient": _recipient,
    "days": _days,
    "modes": _modes,
    "failures": _failures,
}

# The log and its answers


def lines(district: str, corpus: Sequence[Sent]) -> list[bytes]:
    written = [log.district(district)]
    written += [log.school(school, district=district) for school in ("east", "west")]
    for number, sent in enumerate(corpus):
        listed = [
            log.recipient(
                f"{plain(person.name)}",
                *(
                    log.device(mode, address, status=outcome)
                    for (mode, address), outcome in zip(
                        person.addresses, person.outcomes, strict=False
                    )
                ),
                name=" ".join(person.name),
                student=(plain(person.student), " ".join(person.student))
                if person.student
                else None,
            )
            for person in sent.people
        ]
        written.append(
            log.message(
                str(number),
                listed,
                district=district,
                school=sent.school,
                type=(sent.type, sent.type),
                subject=" ".join(sent.subject),
                sender=(sent.sender[0], " ".join(sent.sender[1])),
                created_at=sent.created,
                scheduled_at=sent.scheduled,
                schedule_id=" ".join(sent.schedule) if sent.schedule else None,
                source=sent.source,
                modes=sorted(sent.modes),
                status=sent.status,
            )
        )
    return written


async def found(
    database: Database,
    asked: Asked,
    *,
    visibility: Visibility,
    sort: Sequence[tuple[OrderField, bool]],
) -> tuple[set[str], int]:
    """Return the external ids of the messages that a search finds, and its count."""
    parts = dict(asked)
    begin, end = parts.pop(
        "days", (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    )
    names, parts["district_wide"] = parts.pop("schools", (None, None))
    ids = await log.school_ids(database, district=visibility.district.external_id)
    parts["schools"] = None if names is None else [ids[name] for name in names]
    criteria = Criteria(created_from=begin, created_until=end, **parts)
    async with database.reading() as connection:
        ready = await prepare(connection, criteria, visibility=visibility)
        rows = await log_page.page_of(
            connection,
            ready,
            order=log_page.order(sort, scope=""),
            page=page(first=None, after=None, last=None, before=None),
        )
        count = await facets.count(connection, ready)
    shown = [row.external_id for row in rows.rows]
    assert len(shown) == len(set(shown))
    return set(shown), count
