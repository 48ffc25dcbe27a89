"""Generates a year of messages in Plainview, from February 2019 to January 2020, as history.

All types, modes, states and call codes occur. The manual's messages are in `manual`; the lines of the district and its
schools, which must come first, are `plainview.opening`.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

from domain.status import DeliveryMode, MessageStatus
from server.sample.district.people import ADMINISTRATOR
from server.sample.district.plainview import DISTRICT, SampleSchool
from server.sample.district.school_year import QUIET_FROM, calendar_of, weekdays
from server.sample.line import FilterCriterion, Line, MessageLine, criteria, with_recipients
from server.sample.outcomes import Outcomes, fitting_status
from server.sample.plan import PlannedMessage, plan
from server.sample.wording import Audience

SEED: Final = 2019

_UNDER_WAY: Final = timedelta(minutes=45)
"""The age below which a message is still being delivered at the end of the year."""

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
    """The messages of the year in the order of their creation, each with its recipients."""
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


def _message(
    draw: Random, outcomes: Outcomes, sending: PlannedMessage, ident: str
) -> Iterator[Line]:
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


def _wanted_status(draw: Random, sending: PlannedMessage) -> MessageStatus:
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


def _canceled_at(sending: PlannedMessage, status: MessageStatus) -> datetime:
    """The time of a cancellation: before the message was due if nothing had left, else soon after."""
    if status is MessageStatus.CANCELED:
        return sending.created_at + (sending.scheduled_at - sending.created_at) / 2
    return sending.scheduled_at + timedelta(minutes=4)


def message_line(sending: PlannedMessage, ident: str) -> MessageLine:
    """The line of a planned message with the id `ident`, without outcomes."""
    kind, wording, school = sending.kind, sending.wording, sending.school
    day = sending.created_at.date()

    def said(text: str) -> str:
        place = DISTRICT["name"] if school is None else school.name
        return text.format(school=place, day=f"{day:%B} {day.day}")

    line: MessageLine = {
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
    if kind.category is not None:
        line["category"] = kind.category
    return line


def _reply_to(school: SampleSchool | None) -> str:
    return f"{'messenger' if school is None else school.id}@plainview.example"


def _criteria(
    audience: Audience, school: SampleSchool | None, day: date
) -> tuple[FilterCriterion, ...]:
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
