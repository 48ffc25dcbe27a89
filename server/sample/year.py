"""A year of traffic in Plainview, from February 2019 to January 2020, as history.

All types, modes, states and call codes occur in it. The manual's own rows are not in it, and neither are the district
and its schools, to which its messages refer (`plainview.opening`).
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

from domain.status import DeliveryMode, MessageStatus
from server.sample.line import FilterCriterion, Line, MessageLine, criteria, with_recipients
from server.sample.outcomes import Outcomes, fitting_status
from server.sample.people import ADMINISTRATOR
from server.sample.plainview import DISTRICT, School
from server.sample.plan import Sending, plan
from server.sample.school_year import QUIET_FROM, calendar_of, weekdays
from server.sample.wording import Audience

SEED: Final = 2019

_UNDER_WAY: Final = timedelta(minutes=45)
"""How young a message is that is still being delivered where the year ends."""

_REASONS: Final = (
    "Wrong group of recipients",
    "Sent twice by mistake",
    "The event was moved",
    "Spelling error in the subject",
)

_DELIVER_TO: Final = {
    Audience.CONTACTS_OF_STUDENTS: "Student Messenger Contacts; Message For Each Student",
    Audience.CONTACTS: "Student Messenger Contacts",
    Audience.STUDENTS: "Students",
    Audience.STAFF: "Staff",
}


def messages(seed: int = SEED) -> Iterator[Line]:
    """The messages of the year in the order of their making, each with its recipients."""
    draw = Random(seed)
    outcomes = Outcomes(draw)
    for day in weekdays():
        numbers: Counter[str] = Counter()
        for sending in plan(draw, day):
            if sending.created_at >= QUIET_FROM:
                break
            numbers[sending.kind.name] += 1
            ident = f"{day}-{sending.kind.name}-{numbers[sending.kind.name]:02}"
            yield from _message(draw, outcomes, sending, ident)


def _message(draw: Random, outcomes: Outcomes, sending: Sending, ident: str) -> Iterator[Line]:
    status = fitting_status(_wanted_status(draw, sending), sending.addressees)
    message = message_line(sending, ident)
    message["status"] = status
    canceled_at = None
    if status in (MessageStatus.CANCELED, MessageStatus.CANCELED_IN_PROGRESS):
        canceled_at = _canceled_at(sending, status)
        by, reason = draw.choice((sending.sender, ADMINISTRATOR)), draw.choice(_REASONS)
        message["cancellation"] = {"at": canceled_at, "by": by, "reason": reason}
    recipients = outcomes.record(
        ident,
        sending.addressees,
        status=status,
        begun_at=sending.scheduled_at,
        canceled_at=canceled_at,
    )
    return with_recipients(message, recipients)


def _wanted_status(draw: Random, sending: Sending) -> MessageStatus:
    if sending.scheduled_at > QUIET_FROM:
        return MessageStatus.WAITING
    if sending.scheduled_at > QUIET_FROM - _UNDER_WAY:
        return MessageStatus.IN_PROGRESS
    weights = {
        MessageStatus.SENT: 93,
        MessageStatus.ERROR: 4,
        MessageStatus.CANCELED: 2,
        MessageStatus.CANCELED_IN_PROGRESS: 1,
    }
    return draw.choices(list(weights), list(weights.values()))[0]


def _canceled_at(sending: Sending, status: MessageStatus) -> datetime:
    """When somebody stopped it: before it was due where nothing had left, else soon after."""
    if status is MessageStatus.CANCELED:
        return sending.created_at + (sending.scheduled_at - sending.created_at) / 2
    return sending.scheduled_at + timedelta(minutes=4)


def message_line(sending: Sending, ident: str) -> MessageLine:
    """The line of a message as it was planned, called `ident`; nothing is said of what became of it."""
    kind, wording, school = sending.kind, sending.wording, sending.school
    day = sending.created_at.date()

    def said(text: str) -> str:
        place = DISTRICT["name"] if school is None else school.name
        return text.format(school=place, day=f"{day:%B} {day.day}")

    return {
        "kind": "message",
        "id": ident,
        "district": DISTRICT["id"],
        "school": None if school is None else school.id,
        "type": kind.type,
        "subject": said(wording.subject),
        "body": said(wording.body),
        "bodyFormat": wording.format,
        "textBody": None if wording.text is None else said(wording.text),
        "voiceScript": None if wording.voice is None else said(wording.voice),
        "replyTo": _reply_to(school) if DeliveryMode.EMAIL in kind.modes else None,
        "sender": sending.sender,
        "createdAt": sending.created_at,
        "scheduledAt": sending.scheduled_at,
        "scheduleId": sending.schedule_id,
        "source": kind.source,
        "modes": kind.modes,
        "filterCriteria": _criteria(kind.audience, school, day),
    }


def _reply_to(school: School | None) -> str:
    return f"{'messenger' if school is None else school.id}@plainview.example"


def _criteria(audience: Audience, school: School | None, day: date) -> tuple[FilterCriterion, ...]:
    pairs = [("Deliver To", _DELIVER_TO[audience])]
    if audience is not Audience.STAFF:
        place = "all schools" if school is None else school.name
        pairs += [
            ("Enrollment Filter", "Message Only Active Students"),
            ("Filter Operation", "Union"),
            ("Calendar", f"{calendar_of(day)} {place}"),
            ("Limit delivery to contacts that speak", "No Language Preference"),
        ]
    return criteria(*pairs)
