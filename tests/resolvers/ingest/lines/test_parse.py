"""The promise: a line that cannot be parsed is reported with field and reason."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.status import DeliveryMode, DeliveryStatus
from resolvers.ingest.line_splitter import LONGEST_LINE
from resolvers.ingest.line_types import (
    BadLine,
    End,
    NamedPerson,
    UploadedDevice,
    UploadedMessage,
    UploadedRecipient,
)
from resolvers.ingest.parse import LineOwner, owner_of, parse
from tests.tables import table

DISTRICT = {
    "kind": "district",
    "id": "plainview",
    "name": "Plainview Schools",
    "timeZone": "America/Chicago",
    "hasVoice": True,
}
SCHOOL = {"kind": "school", "id": "harrison-high", "district": "plainview", "name": "Harrison High"}
MESSAGE = {
    "kind": "message",
    "id": "M-1",
    "district": "plainview",
    "type": {"code": "BEHAVIOR", "label": "Behavior"},
    "subject": "Student Behavior",
    "body": "...",
    "bodyFormat": "PLAIN",
    "sender": {"id": "u1", "name": "Administrator, System"},
    "createdAt": "2020-01-31T11:00:00-06:00",
    "scheduledAt": "2020-01-31T11:00:00-06:00",
    "source": "TEMPLATE",
    "modes": ["INBOX", "VOICE"],
}
RECIPIENT = {
    "kind": "recipient",
    "message": "M-1",
    "person": {"id": "p1", "name": "Parent, Heather"},
    "devices": [{"mode": "VOICE", "address": "+16125550101"}],
}
END = {"kind": "end", "message": "M-1"}
BASES: dict[str, dict[str, Any]] = {
    "DISTRICT": DISTRICT,
    "SCHOOL": SCHOOL,
    "MESSAGE": MESSAGE,
    "RECIPIENT": RECIPIENT,
    "END": END,
}
NO_INSTANT = "this is no instant: write it with its offset, like 2020-01-31T11:00:00-06:00"
NO_NUL = "the character U+0000 cannot be stored: leave it out"


def spelled(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


def fault(line: bytes) -> tuple[str | None, str]:
    with pytest.raises(BadLine) as raised:
        parse(line)
    return raised.value.field, raised.value.reason


def device(**fields: Any) -> dict[str, Any]:
    return RECIPIENT | {"devices": [{"mode": "INBOX", "address": "hparent"}, fields]}


@pytest.mark.parametrize("fields", BASES.values(), ids=BASES)
def test_the_lines_of_the_format_are_taken(fields: dict[str, Any]) -> None:
    assert type(parse(spelled(fields))).__name__.removeprefix("Uploaded").lower() == fields["kind"]


def test_what_a_message_leaves_out_it_may_also_say_as_null() -> None:
    absent = dict.fromkeys(
        ["school", "scheduleId", "textBody", "voiceScript", "replyTo", "filterCriteria", "status"]
    )

    assert parse(spelled(MESSAGE | absent)) == parse(spelled(MESSAGE))


def test_instants_come_in_utc() -> None:
    message = parse(spelled(MESSAGE))
    recipient = parse(
        spelled(device(mode="VOICE", address="+16125550101", at="2020-01-31T23:30:00.5-06:00"))
    )

    assert isinstance(message, UploadedMessage)
    assert message.createdAt == datetime(2020, 1, 31, 17, 0, tzinfo=UTC)
    assert message.createdAt.tzinfo is UTC
    assert isinstance(recipient, UploadedRecipient)
    assert recipient.devices[1].at == datetime(2020, 2, 1, 5, 30, 0, 500_000, tzinfo=UTC)
    assert recipient.devices[1].at.tzinfo is UTC


def test_a_recipient_is_what_its_line_says() -> None:
    fields = RECIPIENT | {
        "student": {"id": "s1", "name": "Student, Calvin"},
        "devices": [
            {
                "mode": "VOICE",
                "address": "+16125550101",
                "status": "DELIVERED",
                "callStatus": 5,
                "confirmed": True,
                "at": "2020-01-31T17:01:00Z",
            }
        ],
    }

    assert parse(spelled(fields)) == UploadedRecipient(
        message="M-1",
        person=NamedPerson("p1", "Parent, Heather"),
        student=NamedPerson("s1", "Student, Calvin"),
        devices=[
            UploadedDevice(
                DeliveryMode.VOICE,
                "+16125550101",
                status=DeliveryStatus.DELIVERED,
                callStatus=5,
                confirmed=True,
                at=datetime(2020, 1, 31, 17, 1, tzinfo=UTC),
            )
        ],
    )


INVALID = r"""
    END | {"kind": "finish"} | kind | a line's kind is district, school, message, recipient or end
    END | {"kind": 5} | kind | a line's kind is district, school, message, recipient or end
    END | {"note": 1} | note | this field is unknown here: is it spelled right?
    END | {"message": ""} | message | expected `str` of length >= 1
    END | {"message": "a\u0000b"} | message | NO_NUL
    DISTRICT | {"timeZone": "America/Plainview"} | timeZone | 'America/Plainview' is no time zone: write one of the IANA names, like America/Chicago
    DISTRICT | {"timeZone": "localtime"} | timeZone | 'localtime' is no time zone: write one of the IANA names, like America/Chicago
    DISTRICT | {"hasVoice": 1} | hasVoice | expected `bool`, got `int`
    DISTRICT | {"callWindow": ["08:00"]} | callWindow | expected `array` of length 2
    DISTRICT | {"callWindow": ["8 am", "20:00"]} | callWindow | ['8 am', '20:00'] are no times of day: write ["08:00","20:00"]
    DISTRICT | {"callWindow": ["08:00", "20:00+02:00"]} | callWindow | ['08:00', '20:00+02:00'] are no times of day: write ["08:00","20:00"]
    DISTRICT | {"callWindow": ["08:00", "24:00"]} | callWindow | ['08:00', '24:00'] are no times of day: write ["08:00","20:00"]
    DISTRICT | {"callWindow": ["20:00", "08:00"]} | callWindow | ['20:00', '08:00']: it closes before it opens; leave it out where calls may be placed at any time
    SCHOOL | {"name": ""} | name | expected `str` of length >= 1
    SCHOOL | {"name": "a\u0000"} | name | NO_NUL
    MESSAGE | {"subject": null} | subject | expected `str`, got `null`
    MESSAGE | {"body": "a\u0000b"} | body | NO_NUL
    MESSAGE | {"type": {"code": "B"}} | type.label | this field is required
    MESSAGE | {"type": {"code": "OLR", "label": "Online Registration"}} | type.code | OLR mail is kept in a log of its own: leave it out of this file
    MESSAGE | {"type": {"code": " olr ", "label": "Online Registration"}} | type.code |  olr  mail is kept in a log of its own: leave it out of this file
    MESSAGE | {"sender": {"id": "u1", "name": "A", "mail": "x"}} | sender.mail | this field is unknown here: is it spelled right?
    MESSAGE | {"bodyFormat": "MARKDOWN"} | bodyFormat | 'MARKDOWN' is not one of PLAIN, HTML
    MESSAGE | {"source": "PERSON"} | source | 'PERSON' is not one of TEMPLATE, SCHEDULER, SYSTEM
    MESSAGE | {"modes": ["INBOX", "FAX"]} | modes[1] | 'FAX' is not one of INBOX, EMAIL, VOICE, TEXT
    MESSAGE | {"modes": ["TEXT", "TEXT"]} | modes | ['TEXT', 'TEXT']: a mode stands twice
    MESSAGE | {"status": "DONE"} | status | 'DONE' is not one of WAITING, IN_PROGRESS, SENT, ERROR, CANCELED, CANCELED_IN_PROGRESS
    MESSAGE | {"createdAt": "2020-01-31T11:00:00"} | createdAt | NO_INSTANT
    MESSAGE | {"createdAt": "01/31/2020 11:00 AM"} | createdAt | NO_INSTANT
    MESSAGE | {"scheduledAt": 1580490000} | scheduledAt | NO_INSTANT
    MESSAGE | {"createdAt": "0001-01-01T00:00:00+14:00"} | createdAt | 0001-01-01T00:00:00+14:00: its year is not between 1970 and 9998
    MESSAGE | {"scheduledAt": "9999-12-31T23:59:59-12:00"} | scheduledAt | 9999-12-31T23:59:59-12:00: its year is not between 1970 and 9998
    MESSAGE | {"filterCriteria": [{"label": "Deliver To"}]} | filterCriteria[0].value | this field is required
    MESSAGE | {"filterCriteria": [{"label": "a", "value": "b\u0000"}]} | filterCriteria[0].value | NO_NUL
    MESSAGE | {"status": "SENT", "cancellation": {"at": "2020-01-31T11:00:00-06:00"}} | cancellation | only a message whose status is CANCELED or CANCELED_IN_PROGRESS has one
    MESSAGE | {"status": "CANCELED", "cancellation": {"at": "yesterday"}} | cancellation.at | NO_INSTANT
    MESSAGE | {"status": "CANCELED", "cancellation": {"at": "9999-12-31T23:00:00-12:00"}} | cancellation.at | 9999-12-31T23:00:00-12:00: its year is not between 1970 and 9998
    RECIPIENT | {"devices": null} | devices | expected `array`, got `null`
    RECIPIENT | {"person": {"id": "p1", "name": "a\u0000b"}} | person.name | NO_NUL
    DEVICE | {"mode": "VOICE"} | devices[1].address | this field is required
    DEVICE | {"mode": "INBOX", "address": "a\u0000b"} | devices[1].address | NO_NUL
    DEVICE | {"mode": "FAX", "address": "+16125550101"} | devices[1].mode | 'FAX' is not one of INBOX, EMAIL, VOICE, TEXT
    DEVICE | {"mode": "VOICE", "address": "+16125550101", "status": "ANSWERED"} | devices[1].status | 'ANSWERED' is not one of PENDING, IN_PROGRESS, SENT, DELIVERED, FAILED, CANCELED, OPTED_OUT
    DEVICE | {"mode": "VOICE", "address": "+16125550101", "callStatus": -32001} | devices[1].callStatus | expected `int` >= -32000
    DEVICE | {"mode": "VOICE", "address": "+16125550101", "callStatus": "5"} | devices[1].callStatus | expected `int | null`, got `str`
    DEVICE | {"mode": "VOICE", "address": "+16125550101", "at": "noon"} | devices[1].at | NO_INSTANT
    DEVICE | {"mode": "VOICE", "address": "+16125550101", "at": "0001-01-01T00:00:00Z"} | devices[1].at | 0001-01-01T00:00:00+00:00: its year is not between 1970 and 9998
"""
"""A line, what is wrong in it, and the field and the reason that are reported."""

REASONS = {"NO_INSTANT": NO_INSTANT, "NO_NUL": NO_NUL}


def invalid(base: str, fields: str, field: str, *reason: str) -> tuple[bytes, str, str]:
    """Return a row of `INVALID` as the line, the field and the reason."""
    given = json.loads(fields)
    line = device(**given) if base == "DEVICE" else BASES[base] | given
    said = " | ".join(reason)
    return spelled(line), field, REASONS.get(said, said)


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        *(invalid(*row) for row in table(INVALID)),
        (b"[1]", None, "expected `object`, got `array`"),
        (b"null", None, "expected `object`, got `null`"),
        (b"{", None, "this is not a JSON object in UTF-8: Input data was truncated"),
        (
            b'{"kind":"end","message":"M-1"} x',
            None,
            "this is not a JSON object in UTF-8: JSON is malformed: trailing characters (byte 32)",
        ),
        (
            b'{"kind":"end","message":"\xff"}',
            None,
            "this is not a JSON object in UTF-8: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        ),
        (
            b'{"kind":"end","message":"\\ud800\\u0041"}',
            "message",
            "half of a surrogate pair (U+D800) is not a character: write the whole character",
        ),
        (
            b'{"a":' * 100_000,
            None,
            "this is not a JSON object in UTF-8: maximum recursion depth exceeded while deserializing an object",
        ),
        (
            b" " * (LONGEST_LINE + 1),
            None,
            f"this line is longer than {LONGEST_LINE} bytes: does the file have line ends?",
        ),
        (b"{}", "kind", "this field is required"),
        (spelled(END | {"message": "x" * 201}), "message", "expected `str` of length <= 200"),
        (
            spelled(MESSAGE | {"subject": "x" * 1_001}),
            "subject",
            "expected `str` of length <= 1000",
        ),
        (
            spelled(device(mode="VOICE", address="+16125550101", callStatus=10**400)),
            "devices[1].callStatus",
            "expected `int` <= 32000",
        ),
        (
            spelled(RECIPIENT | {"devices": RECIPIENT["devices"] * 1_001}),  # type: ignore[operator]
            "devices",
            "expected `array` of length <= 1000",
        ),
    ],
)
def test_an_invalid_line_is_reported_by_field_and_reason(
    line: bytes, field: str | None, reason: str
) -> None:
    assert fault(line) == (field, reason)


def test_the_letters_of_an_escape_are_text_like_any_other() -> None:
    line = parse(rb'{"kind":"end","message":"C:\\u0000"}')

    assert line == End("C:\\u0000")


@pytest.mark.parametrize(
    ("line", "belongs"),
    [
        (b"{", LineOwner(None, None)),
        (b"\xff", LineOwner(None, None)),
        (b"[]", LineOwner(None, None)),
        (b"{}", LineOwner(None, None)),
        (b'{"kind":"message","id":"M-1"}', LineOwner("message", "M-1")),
        (b'{"kind":"message","id":5,"message":"M-2"}', LineOwner("message", None)),
        (b'{"kind":"recipient","message":"M-1","devices":5}', LineOwner("recipient", "M-1")),
        (b'{"kind":"end","message":""}', LineOwner("end", None)),
        (b'{"kind":"district","id":"plainview"}', LineOwner("district", None)),
        (b'{"kind":5,"message":"M-1"}', LineOwner(None, "M-1")),
    ],
)
def test_an_invalid_line_is_assigned_to_its_message(line: bytes, belongs: LineOwner) -> None:
    assert owner_of(line) == belongs
