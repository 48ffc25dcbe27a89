"""Rows and figures transcribed from the screens and the example report of the tool's manual."""

from datetime import datetime
from typing import Final, NamedTuple

import pytest

from tests.server.sample.upload import Entry, Upload, contradictions, figures


class Row(NamedTuple):
    status: str
    type: str
    place: str
    subject: str
    sender: str
    created: str
    scheduled: str


ADMINISTRATOR: Final = "Administrator, System"
CONFERENCES: Final = "Parent/Teacher Conferences 1st Week in March"


def parking(clock: str) -> Row:
    at = f"01/31/2020 {clock}"
    return Row(
        "Sent", "Behavior", "Harrison High", "Parking/Driving Violation", ADMINISTRATOR, at, at
    )


STUDENT_BEHAVIOR: Final = Row(
    "Sent", "Behavior", "Harrison High", "Student Behavior", ADMINISTRATOR, "01/31/2020 11:00 AM", "01/31/2020 11:00 AM"
)  # fmt: skip
MISSING_ASSIGNMENTS: Final = Row(
    "Error", "Missing Assignment", "Harrison High", "Student Missing Assignments", ADMINISTRATOR, "01/31/2020 11:00 AM", "01/31/2020 11:00 AM"
)  # fmt: skip

# The first screen was taken in the morning, the second in the afternoon.
FIRST_SCREEN: Final = [
    parking("11:00 AM"),
    STUDENT_BEHAVIOR,
    MISSING_ASSIGNMENTS,
    Row("Canceled", "Message Builder", "Harrison High", CONFERENCES, ADMINISTRATOR, "01/31/2020 10:24 AM", "01/31/2020 10:35 AM"),
    Row("Error", "Message Builder", "Harrison High", CONFERENCES, ADMINISTRATOR, "01/31/2020 10:24 AM", "01/31/2020 10:35 AM"),
    Row("Sent", "Special Ed", "Plainview Schools", "Evaluation Due", "Matthews, Dexter", "01/31/2020 10:00 AM", "01/31/2020 10:00 AM"),
    parking("10:00 AM"),
]  # fmt: skip
SECOND_SCREEN: Final = [
    parking("3:00 PM"),
    parking("2:00 PM"),
    Row("Waiting", "Message Builder", "Harrison High", "Library Hours", ADMINISTRATOR, "01/31/2020 1:39 PM", "01/31/2020 1:39 PM"),
    parking("1:00 PM"),
    parking("12:00 PM"),
    parking("11:00 AM"),
    STUDENT_BEHAVIOR,
    MISSING_ASSIGNMENTS,
]  # fmt: skip

STATUS_LABELS: Final = {
    "WAITING": "Waiting",
    "IN_PROGRESS": "In-Progress",
    "SENT": "Sent",
    "ERROR": "Error",
    "CANCELED": "Canceled",
}
BOTH_SENDINGS: Final = pytest.mark.parametrize(
    "ident", ["2019-12-02-0833-school-is-cancelled", "2019-12-02-0855-school-is-cancelled"]
)


def shown_time(text: str) -> str:
    at = datetime.fromisoformat(text)
    return f"{at:%m/%d/%Y} {at:%I:%M %p}".replace(" 0", " ")


def row(upload: Upload, entry: Entry) -> Row:
    message = entry.message
    place = (
        upload.schools[message["school"]]
        if message["school"]
        else upload.districts[message["district"]]
    )
    assert message["scheduleId"] is None  # the column is empty in every row of the manual
    return Row(
        STATUS_LABELS[message["status"]],
        message["type"]["label"],
        place["name"],
        message["subject"],
        message["sender"]["name"],
        shown_time(message["createdAt"]),
        shown_time(message["scheduledAt"]),
    )


def newest_first(upload: Upload) -> list[Entry]:
    """As the log lists them: by date, and those of one minute by their place in the stream, the later one above."""
    numbered = list(enumerate(upload.messages))
    numbered.sort(key=lambda pair: (pair[1].created_at, pair[0]), reverse=True)
    return [entry for _, entry in numbered]


def test_the_demo_begins_with_the_rows_of_the_second_screen(demo: Upload) -> None:
    assert [row(demo, entry) for entry in newest_first(demo)[:8]] == SECOND_SCREEN


def test_at_eleven_the_demo_began_with_the_rows_of_the_first_screen(demo: Upload) -> None:
    until_eleven = [
        entry
        for entry in newest_first(demo)
        if entry.created_at <= datetime.fromisoformat("2020-01-31T11:00:00-06:00")
    ]

    assert [row(demo, entry) for entry in until_eleven[:7]] == FIRST_SCREEN


def test_no_row_of_the_manual_stands_twice(manual: Upload) -> None:
    january = [row(manual, entry) for entry in manual.messages if entry.created_at.year == 2020]

    assert sorted(january) == sorted({*FIRST_SCREEN, *SECOND_SCREEN})


def test_the_district_is_the_manuals(manual: Upload) -> None:
    assert manual.districts == {
        "plainview": {
            "kind": "district",
            "id": "plainview",
            "name": "Plainview Schools",
            "timeZone": "America/Chicago",
            "hasVoice": True,
            "callWindow": ["08:00", "20:00"],
        }
    }
    assert manual.schools["harrison-high"]["name"] == "Harrison High"
    assert len(manual.schools) == 6


@BOTH_SENDINGS
def test_school_is_cancelled_has_the_figures_of_the_manual(manual: Upload, ident: str) -> None:
    entry = manual.of(ident)

    assert len(entry.recipients) == 127
    assert figures(entry) == {
        "Total Recipients": 127,
        "Total No Device": 34,
        "Total Inbox": 93,
        "Total Emails": 3,
        "Total Voice": 0,
        "Total Text": 0,
        "Recipients contacted by phone": 0,
        "Recipients not contacted by phone": 127,
    }


@BOTH_SENDINGS
def test_school_is_cancelled_says_what_the_report_prints(manual: Upload, ident: str) -> None:
    message = manual.of(ident).message

    assert message["status"] == "IN_PROGRESS"
    assert message["type"]["label"] == "Message Builder"
    assert message["category"] == "General Notification"
    assert message["subject"] == "School is Cancelled"
    assert message["sender"]["name"] == ADMINISTRATOR
    assert message["replyTo"] == "sysadmin@nomail.com"
    assert message["body"] == "School is cancelled due to weather."
    assert [f"{c['label']}: {c['value']}" for c in message["filterCriteria"]] == [
        "Deliver To: Student Messenger Contacts; Message For Each Student",
        "Enrollment Filter: Message Only Active Students",
        "Filter Operation: Union",
        "Calendar: 2019-20 High School",
        "Limit delivery to contacts that speak: No Language Preference",
    ]


@BOTH_SENDINGS
def test_the_emails_of_school_is_cancelled_are_those_of_the_report(
    manual: Upload, ident: str
) -> None:
    emails = [
        (recipient["person"]["name"], recipient["student"]["name"], device)
        for recipient in manual.of(ident).recipients
        for device in recipient["devices"]
        if device["mode"] == "EMAIL"
    ]

    assert emails == [
        (parent, student, {"mode": "EMAIL", "address": address, "status": "IN_PROGRESS"})
        for parent, student, address in (
            ("Parent, Heather", "Student, Calvin", "heather@nomail.com"),
            ("Parent, Tad", "Student, Karen", "tad@nomail.com"),
            ("Parent, Kris", "Student, Lauren", "kris@nomail.com"),
        )
    ]


@pytest.mark.parametrize(
    ("ident", "created", "start_and_end"),
    [
        # The screen with the Delivery Summary, and the example report of what was sent again.
        ("2019-12-02-0833-school-is-cancelled", "12/02/2019 8:33 AM", "12/02/2019 8:33 AM"),
        ("2019-12-02-0855-school-is-cancelled", "12/02/2019 8:55 AM", "12/02/2019 8:54 AM"),
    ],
)
def test_school_is_cancelled_starts_and_ends_when_the_report_says(
    manual: Upload, ident: str, created: str, start_and_end: str
) -> None:
    entry = manual.of(ident)
    instants = sorted(device["at"] for device in entry.deliveries if "at" in device)

    assert shown_time(entry.message["createdAt"]) == created
    assert len(instants) == 93
    assert {shown_time(instants[0]), shown_time(instants[-1])} == {start_and_end}


def test_library_hours_waits_with_two_inboxes_and_two_emails(manual: Upload) -> None:
    entry = manual.of("2020-01-31-1339-library-hours")
    counted = figures(entry)

    assert (counted["Total Inbox"], counted["Total Emails"]) == (2, 2)
    assert [d["status"] for d in entry.deliveries if d["mode"] == "EMAIL"] == ["PENDING", "PENDING"]


def test_the_statuses_of_the_manual_agree_with_the_deliveries(manual: Upload) -> None:
    assert {
        entry.message["id"]: contradictions(entry)
        for entry in manual.messages
        if contradictions(entry)
    } == {}
    assert all(entry.deliveries for entry in manual.messages)


def test_the_administrators_messages_are_those_of_the_demos_visitor(manual: Upload) -> None:
    senders = {
        entry.message["sender"]["id"]: entry.message["sender"]["name"] for entry in manual.messages
    }

    assert senders == {"demo-admin": ADMINISTRATOR, "dexter-matthews": "Matthews, Dexter"}


def test_the_manuals_people_are_people_of_the_directory(demo: Upload) -> None:
    cancelled = demo.of("2019-12-02-0855-school-is-cancelled")
    people = {recipient["person"]["id"] for recipient in cancelled.recipients}
    others = {
        recipient["person"]["id"]
        for entry in demo.messages
        if entry.created_at.month not in (12, 1)
        for recipient in entry.recipients
    }

    assert people <= others
