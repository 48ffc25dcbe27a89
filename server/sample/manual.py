"""The messages on the screens of the tool's manual, of 2 December 2019 and 31 January 2020.

Values are those of the screens; other values are made up. `year` generates the messages that no screen shows.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final

from domain.message import BodyFormat, Source
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from server.sample.district.people import ADMINISTRATOR, MATTHEWS, SamplePerson, directory
from server.sample.district.plainview import DISTRICT, HARRISON, ZONE
from server.sample.line import (
    Line,
    MessageLine,
    MessageType,
    RecipientLine,
    criteria,
    with_recipients,
)
from server.sample.outcomes import Addressee, Outcomes
from server.sample.wording import kinds

_SEED: Final = 2020
_INBOX: Final = DeliveryMode.INBOX
_EMAIL: Final = DeliveryMode.EMAIL
_EVERY_MODE: Final = tuple(DeliveryMode)

# The manual's report says "Message Builder - General Notification", its log "Message Builder".
_GENERAL: Final = "General Notification"
"""The category of messages that a person writes."""
_MESSAGE_BUILDER: Final[MessageType] = {"code": "MESSAGE_BUILDER", "label": "Message Builder"}

_FOR_EACH_STUDENT: Final = criteria(
    ("Deliver To", "Student Messenger Contacts; Message For Each Student"),
    ("Enrollment Filter", "Message Only Active Students"),
    ("Filter Operation", "Union"),
    ("Calendar", "2019-20 High School"),
    ("Limit delivery to contacts that speak", "No Language Preference"),
)
_FOR_STAFF: Final = criteria(("Deliver To", "Staff"))

# The figures of "School is Cancelled".
_PEOPLE: Final = 127
_INBOXES: Final = 93
_EMAILS: Final = 3


def messages() -> Iterator[Line]:
    """The messages in the order of their creation, each with its recipients.

    Of messages in the same minute, the lower row of a screen comes first: the log shows the newest on top.
    """
    outcomes = Outcomes(Random(_SEED))
    december = _at(8, 33, day=datetime(2019, 12, 2))
    yield from _school_is_cancelled(made_at=december, begun_at=december)
    # The manual's report of the second sending starts a minute before its "Date Created".
    later = december.replace(minute=55)
    yield from _school_is_cancelled(made_at=later, begun_at=later.replace(minute=54))

    yield from _parking_violation(outcomes, 10)
    yield from _evaluation_due(outcomes)
    yield from _conferences(outcomes, MessageStatus.ERROR)
    yield from _conferences(outcomes, MessageStatus.CANCELED)
    yield from _missing_assignments(outcomes)
    yield from _student_behavior(outcomes)
    for hour in (11, 12, 13):
        yield from _parking_violation(outcomes, hour)
    yield from _library_hours()
    for hour in (14, 15):
        yield from _parking_violation(outcomes, hour)


def _school_is_cancelled(*, made_at: datetime, begun_at: datetime) -> Iterator[Line]:
    """127 people: 93 with an inbox, three of them also with an email address; the others without a device."""
    contacts = directory().contacts_of(HARRISON)
    chosen = list(contacts)[:_PEOPLE]
    inboxes = [person for person in chosen if person.devices_for({_INBOX})][:_INBOXES]
    emails = inboxes[:_EMAILS]
    addressees = []
    for person in chosen:
        modes = {_INBOX} if person in inboxes else set()
        modes |= {_EMAIL} if person in emails else set()
        addressees.append(Addressee(person, contacts[person].person, person.devices_for(modes)))
    message = _message(
        "school-is-cancelled",
        MessageStatus.IN_PROGRESS,
        made_at,
        type=_MESSAGE_BUILDER,
        category=_GENERAL,
        subject="School is Cancelled",
        body="School is cancelled due to weather.",
        modes=(_INBOX, _EMAIL),
        scheduled_at=begun_at,
    )
    return with_recipients(
        message,
        _in_inboxes(message["id"], addressees, begun_at, emails=DeliveryStatus.IN_PROGRESS),
    )


def _library_hours() -> Iterator[Line]:
    """Waiting with "Total Inbox: 2": the inboxes have it, the two emails have not left."""
    message = _message(
        "library-hours",
        MessageStatus.WAITING,
        _at(13, 39),
        type=_MESSAGE_BUILDER,
        category=_GENERAL,
        subject="Library Hours",
        body="From Monday the library is open from 7:00 AM to 4:30 PM, on Fridays to 3:00 PM.",
        modes=(_INBOX, _EMAIL),
    )
    heather, tad = _families(slice(0, 2), message["modes"])
    return with_recipients(
        message,
        _in_inboxes(
            message["id"], [heather, tad], message["scheduledAt"], emails=DeliveryStatus.PENDING
        ),
    )


def _conferences(outcomes: Outcomes, status: MessageStatus) -> Iterator[Line]:
    """Sent twice in one minute: one was canceled in time, the other still lacks outcomes of calls."""
    message = _message(
        f"parent-teacher-conferences-{status.lower()}",
        status,
        _at(10, 24),
        type=_MESSAGE_BUILDER,
        category=_GENERAL,
        subject="Parent/Teacher Conferences 1st Week in March",
        body="Parent/teacher conferences are held in the first week of March. Appointments can be made in the portal.",
        modes=_EVERY_MODE,
        scheduled_at=_at(10, 35),
    )
    canceled_at = None
    if status is MessageStatus.CANCELED:
        canceled_at = _at(10, 27)
        message["cancellation"] = {
            "at": canceled_at,
            "by": ADMINISTRATOR,
            "reason": "Sent twice by mistake",
        }
    families = _families(slice(0, 40), _EVERY_MODE)
    return _recorded(outcomes, message, families, canceled_at)


def _parking_violation(outcomes: Outcomes, hour: int) -> Iterator[Line]:
    message = _alert("behavior", "Parking/Driving Violation", MessageStatus.SENT, _at(hour, 0))
    return _recorded(outcomes, message, _families(slice(hour, hour + 1), message["modes"]))


def _student_behavior(outcomes: Outcomes) -> Iterator[Line]:
    message = _alert("behavior", "Student Behavior", MessageStatus.SENT, _at(11, 0))
    return _recorded(outcomes, message, _families(slice(20, 22), message["modes"]))


def _missing_assignments(outcomes: Outcomes) -> Iterator[Line]:
    subject = "Student Missing Assignments"
    message = _alert("missing-assignment", subject, MessageStatus.ERROR, _at(11, 0))
    return _recorded(outcomes, message, _families(slice(30, 44), message["modes"]))


def _evaluation_due(outcomes: Outcomes) -> Iterator[Line]:
    message = _alert("special-ed", "Evaluation Due", MessageStatus.SENT, _at(10, 0))
    message |= {"school": None, "sender": MATTHEWS, "filterCriteria": _FOR_STAFF}
    staff = directory().staff_of(HARRISON)[:3]
    addressees = [Addressee(p, None, p.devices_for(message["modes"])) for p in staff]
    return _recorded(outcomes, message, addressees)


def _alert(kind: str, subject: str, status: MessageStatus, at: datetime) -> MessageLine:
    """A message with the wording of Harrison High's alerts of this kind."""
    known = kinds()[kind]
    wording = next(wording for wording in known.wordings if wording.subject == subject)
    place = {"school": HARRISON.name, "day": f"{at:%B} {at.day}"}
    message = _message(
        subject.lower().replace("/", "-").replace(" ", "-"),
        status,
        at,
        type=known.type,
        subject=subject,
        body=wording.body.format(**place),
        modes=known.modes,
        source=Source.SYSTEM,
    )
    if wording.text is not None:
        message["textBody"] = wording.text.format(**place)
    if wording.voice is not None:
        message["voiceScript"] = wording.voice.format(**place)
    return message


def _message(
    name: str,
    status: MessageStatus,
    made_at: datetime,
    *,
    type: MessageType,
    subject: str,
    body: str,
    modes: tuple[DeliveryMode, ...],
    category: str | None = None,
    scheduled_at: datetime | None = None,
    source: Source = Source.TEMPLATE,
) -> MessageLine:
    line: MessageLine = {
        "kind": "message",
        "id": f"{made_at:%Y-%m-%d-%H%M}-{name}",
        "district": DISTRICT["id"],
        "school": HARRISON.id,
        "type": type,
        "subject": subject,
        "body": body,
        "bodyFormat": BodyFormat.PLAIN,
        "textBody": None,
        "voiceScript": None,
        "replyTo": "sysadmin@nomail.com",
        "sender": ADMINISTRATOR,
        "createdAt": made_at,
        "scheduledAt": scheduled_at or made_at,
        "scheduleId": None,
        "source": source,
        "modes": modes,
        "filterCriteria": _FOR_EACH_STUDENT,
        "status": status,
    }
    if category is not None:
        line["category"] = category
    return line


def _recorded(
    outcomes: Outcomes,
    message: MessageLine,
    addressees: Sequence[Addressee],
    canceled_at: datetime | None = None,
) -> Iterator[Line]:
    recipients = outcomes.record(
        message["id"],
        addressees,
        status=message["status"],
        begun_at=message["scheduledAt"],
        canceled_at=canceled_at,
    )
    return with_recipients(message, recipients)


def _in_inboxes(
    message: str, addressees: Sequence[Addressee], begun_at: datetime, *, emails: DeliveryStatus
) -> Iterator[RecipientLine]:
    """The recipients in the first minute: every inbox has the message, no email has an outcome."""
    for place, (person, student, devices) in enumerate(addressees):
        line: RecipientLine = {
            "kind": "recipient",
            "message": message,
            "person": person.named,
            "student": None if student is None else student.named,
            "devices": [],
        }
        for device in devices:
            if device.mode is _INBOX:
                at = begun_at + timedelta(seconds=5 + place % 50)
                line["devices"].append(
                    {
                        "mode": _INBOX,
                        "address": device.address,
                        "status": DeliveryStatus.SENT,
                        "at": at,
                    }
                )
            else:
                line["devices"].append(
                    {"mode": device.mode, "address": device.address, "status": emails}
                )
        yield line


def _families(which: slice, modes: Sequence[DeliveryMode]) -> list[Addressee]:
    """The contacts of some students of Harrison High, one line per student."""
    pairs: list[tuple[SamplePerson, SamplePerson]] = [
        (contact, student.person)
        for student in directory().students_of(HARRISON)[which]
        for contact in student.contacts
    ]
    return [Addressee(contact, student, contact.devices_for(modes)) for contact, student in pairs]


def _at(hour: int, minute: int, *, day: datetime = datetime(2020, 1, 31)) -> datetime:
    return day.replace(hour=hour, minute=minute, tzinfo=ZONE)
