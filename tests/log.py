"""A log for tests: builders of NDJSON lines with defaults, and a function that loads them into a database.

Each function returns complete lines, which can be concatenated, written to a file or posted:

    await load(
        database,
        district(has_voice=False),
        school("east"),
        message("M-1", [recipient("p1", email("heather@nomail.example"))], school="east", subject="Late bus"),
    )

The defaults are those of the manual's first screen: Plainview Schools, "Student Behavior", noon of 31 January 2020.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, select

from db.connect.database import Database
from db.log.visibility import Visibility, visibility_of
from db.tables.log import DISTRICT, MESSAGE, PERSON, SCHOOL
from domain.message import Source
from domain.people import Role
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from domain.viewer import Right, Viewer
from resolvers.ingest.ingest import Outcome, ingest

NOON: Final = datetime(2020, 1, 31, 18, 0, tzinfo=UTC)
"""Noon in Chicago, the time zone of Plainview."""

Fields = dict[str, Any]


def district(
    id: str = "plainview",
    *,
    name: str = "Plainview Schools",
    time_zone: str = "America/Chicago",
    has_voice: bool = True,
    call_window: tuple[str, str] | None = None,
    country: str | None = None,
) -> bytes:
    """Return the line of a district."""
    fields = {"id": id, "name": name, "timeZone": time_zone, "hasVoice": has_voice}
    return line("district", fields, callWindow=call_window, country=country)


def school(
    id: str = "harrison-high", *, district: str = "plainview", name: str | None = None
) -> bytes:
    """Return the line of a school; the default name follows from its id: `Harrison High` from `harrison-high`."""
    name = name or id.replace("-", " ").title()
    return line("school", {"id": id, "district": district, "name": name})


def message(
    id: str = "M-1",
    recipients: Iterable[Fields] = (),
    *,
    ends: bool = True,
    district: str = "plainview",
    school: str | None = None,
    type: tuple[str, str] = ("BEHAVIOR", "Behavior"),
    category: str | None = None,
    subject: str = "Student Behavior",
    body: str = "Your student was sent to the office.",
    body_format: str = "PLAIN",
    text_body: str | None = None,
    voice_script: str | None = None,
    reply_to: str | None = None,
    sender: tuple[str, str] = ("u1", "Administrator, System"),
    created_at: datetime = NOON,
    scheduled_at: datetime | None = None,
    schedule_id: str | None = None,
    source: Source = Source.TEMPLATE,
    modes: Sequence[DeliveryMode] = tuple(DeliveryMode),
    filter_criteria: Sequence[tuple[str, str]] | None = None,
    status: MessageStatus | None = MessageStatus.SENT,
    cancellation: Fields | None = None,
) -> bytes:
    """Return the lines of a message, its recipients and its end.

    By default it is recorded history with the status SENT; with `status=None` it is a message to send. It is scheduled
    for its time of creation, with all modes.
    """
    fields = {
        "id": id,
        "district": district,
        "type": {"code": type[0], "label": type[1]},
        "subject": subject,
        "body": body,
        "bodyFormat": body_format,
        "sender": {"id": sender[0], "name": sender[1]},
        "createdAt": created_at.isoformat(),
        "scheduledAt": (scheduled_at or created_at).isoformat(),
        "source": source,
        "modes": list(modes),
    }
    criteria = [{"label": label, "value": chosen} for label, chosen in filter_criteria or ()]
    opening = line(
        "message",
        fields,
        school=school,
        textBody=text_body,
        voiceScript=voice_script,
        replyTo=reply_to,
        scheduleId=schedule_id,
        filterCriteria=criteria or None,
        status=status,
        cancellation=cancellation,
        category=category,
    )
    list_ = b"".join(line("recipient", {"message": id} | listed) for listed in recipients)
    return opening + list_ + (end(id) if ends else b"")


def end(message: str = "M-1") -> bytes:
    """Return the line that ends a message."""
    return line("end", {"message": message})


def recipient(
    person: str = "p1",
    *devices: Fields,
    name: str = "Parent, Heather",
    student: tuple[str, str] | None = None,
) -> Fields:
    """Return a recipient for the list of a message; by default without devices."""
    listed = {"person": {"id": person, "name": name}, "devices": list(devices)}
    return listed if student is None else listed | {"student": _named(student)}


def device(
    mode: DeliveryMode,
    address: str,
    *,
    status: DeliveryStatus | None = None,
    call_status: int | None = None,
    confirmed: bool | None = None,
    at: datetime | None = None,
) -> Fields:
    """Return a device of a recipient; all arguments except mode and address are recorded history."""
    history = {
        "status": status,
        "callStatus": call_status,
        "confirmed": confirmed,
        "at": at and at.isoformat(),
    }
    return {"mode": mode, "address": address} | _without_none(history)


def inbox(address: str = "hparent", **history: Any) -> Fields:
    """A portal inbox."""
    return device(DeliveryMode.INBOX, address, **history)


def email(address: str = "heather@nomail.example", **history: Any) -> Fields:
    """An e-mail address."""
    return device(DeliveryMode.EMAIL, address, **history)


def voice(address: str = "+16125550101", **history: Any) -> Fields:
    """A phone number that is called."""
    return device(DeliveryMode.VOICE, address, **history)


def text(address: str = "+16125550101", **history: Any) -> Fields:
    """A phone number to which a text is sent."""
    return device(DeliveryMode.TEXT, address, **history)


def line(kind: str, fields: Mapping[str, Any], **optional: Any) -> bytes:
    """Return one line of NDJSON; optional fields that are None are left out."""
    text = json.dumps({"kind": kind, **fields, **_without_none(optional)}, ensure_ascii=False)
    return text.encode() + b"\n"


def _without_none(fields: Mapping[str, Any]) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


def _named(person: tuple[str, str]) -> Fields:
    return {"id": person[0], "name": person[1]}


async def load(database: Database, *lines: bytes, now: datetime = NOON) -> Outcome:
    """Ingest `lines` at `now` and return the outcome; fail the test if a line is rejected."""

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in lines:
            yield chunk

    outcome = await ingest(database, chunks(), viewer=None, clock=lambda: now)
    assert outcome.problems == []
    return outcome


def viewer(
    *,
    id: str = "u1",
    name: str = "Administrator, System",
    district: str = "plainview",
    schools: Iterable[str] = (),
    rights: Iterable[Right] = tuple(Right),
) -> Viewer:
    """Return a viewer, by default with all rights."""
    return Viewer(
        id=id,
        name=name,
        district=district,
        schools=frozenset(schools),
        rights=frozenset(rights),
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )


async def visibility(
    database: Database,
    *,
    district: str = "plainview",
    schools: Iterable[str] = (),
    now: datetime = NOON,
) -> Visibility:
    """Return the visibility of a viewer of this district, limited to these schools, at `now`."""
    somebody = viewer(district=district, schools=schools)
    async with database.reading() as connection:
        visibility = await visibility_of(connection, somebody, now=now)
    assert visibility is not None
    return visibility


async def message_ids(database: Database, *, district: str = "plainview") -> Mapping[str, int]:
    """Return our ids of a district's messages, by external id."""
    return await _ids(database, MESSAGE, DISTRICT.c.external_id == district)


async def school_ids(database: Database, *, district: str = "plainview") -> Mapping[str, int]:
    """Return our ids of a district's schools, by external id."""
    return await _ids(database, SCHOOL, DISTRICT.c.external_id == district)


async def person_ids(
    database: Database, *, district: str = "plainview", role: Role = Role.CONTACT
) -> Mapping[str, int]:
    """Return our ids of a district's people of a role, by external id."""
    return await _ids(database, PERSON, DISTRICT.c.external_id == district, PERSON.c.role == role)


async def _ids(
    database: Database, table: Table, *conditions: ColumnElement[bool]
) -> Mapping[str, int]:
    statement = (
        select(table.c.external_id, table.c.id)
        .join(DISTRICT, DISTRICT.c.id == table.c.district_id)
        .where(*conditions)
    )
    async with database.reading() as connection:
        return {row.external_id: row.id for row in await connection.execute(statement)}
