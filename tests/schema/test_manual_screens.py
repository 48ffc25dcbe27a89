"""The three screens of the manual, each as the response to one query of the demo's data."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from db.connect.database import Database
from domain.search import date_text
from domain.viewer import Right, Viewer
from resolvers.ingest.ingest import ingest
from resolvers.request.context import open_context
from schema.contract import SCHEMA
from server.sample import manual_lines

NOW = datetime(2020, 2, 3, tzinfo=UTC)
ADMINISTRATOR = Viewer(
    id="demo-admin",
    name="Administrator, System",
    district="plainview",
    schools=frozenset(),
    rights=frozenset(Right),
    expires_at=datetime(2020, 2, 4, tzinfo=UTC),
)

LOG = """
    query Log($from: Date!, $to: Date!, $after: String) {
      messages(createdBetween: {from: $from, to: $to}, after: $after) {
        nodes {
          status type { label } school { name } district { name } subject sender { name } createdAt scheduledAt scheduleId
        }
      }
    }
"""

# As the screens show them, top to bottom: Status, Type, District/School, Subject, Sender, Created, Scheduled.
PARKING = ("Behavior", "Harrison High", "Parking/Driving Violation", "Administrator, System")
BEHAVIOR = ("Behavior", "Harrison High", "Student Behavior", "Administrator, System")
ASSIGNMENTS = (
    "Missing Assignment",
    "Harrison High",
    "Student Missing Assignments",
    "Administrator, System",
)
CONFERENCES = (
    "Message Builder",
    "Harrison High",
    "Parent/Teacher Conferences 1st Week in March",
    "Administrator, System",
)
ROWS = [
    ("SENT", *PARKING, "01/31/2020 3:00 PM", "01/31/2020 3:00 PM"),
    ("SENT", *PARKING, "01/31/2020 2:00 PM", "01/31/2020 2:00 PM"),
    (
        "WAITING",
        "Message Builder",
        "Harrison High",
        "Library Hours",
        "Administrator, System",
        "01/31/2020 1:39 PM",
        "01/31/2020 1:39 PM",
    ),
    ("SENT", *PARKING, "01/31/2020 1:00 PM", "01/31/2020 1:00 PM"),
    ("SENT", *PARKING, "01/31/2020 12:00 PM", "01/31/2020 12:00 PM"),
    ("SENT", *PARKING, "01/31/2020 11:00 AM", "01/31/2020 11:00 AM"),
    ("SENT", *BEHAVIOR, "01/31/2020 11:00 AM", "01/31/2020 11:00 AM"),
    ("ERROR", *ASSIGNMENTS, "01/31/2020 11:00 AM", "01/31/2020 11:00 AM"),
    ("CANCELED", *CONFERENCES, "01/31/2020 10:24 AM", "01/31/2020 10:35 AM"),
    ("ERROR", *CONFERENCES, "01/31/2020 10:24 AM", "01/31/2020 10:35 AM"),
    (
        "SENT",
        "Special Ed",
        "Plainview Schools",
        "Evaluation Due",
        "Matthews, Dexter",
        "01/31/2020 10:00 AM",
        "01/31/2020 10:00 AM",
    ),
    ("SENT", *PARKING, "01/31/2020 10:00 AM", "01/31/2020 10:00 AM"),
]


async def _lines() -> AsyncIterator[bytes]:
    for line in manual_lines():
        yield line


@pytest.fixture
async def log(database: Database) -> Database:
    """A log that holds the manual's messages."""
    outcome = await ingest(database, _lines(), viewer=None, clock=lambda: NOW)
    assert outcome.problems == []
    return database


async def ask(database: Database, query: str, **variables: Any) -> dict[str, Any]:
    """The data of an answer without errors."""
    context = await open_context(database, ADMINISTRATOR, now=NOW)
    result: Any = await SCHEMA.execute(query, variable_values=variables, context_value=context)
    assert result.errors is None
    data: dict[str, Any] = orjson.loads(orjson.dumps(result.data))
    return data


def shown(row: dict[str, Any]) -> tuple[str, ...]:
    """A row as a screen shows it, with the district's name where no school sent it."""
    chicago = ZoneInfo("America/Chicago")
    created, scheduled = (
        datetime.fromisoformat(row[name]) for name in ("createdAt", "scheduledAt")
    )
    return (
        row["status"],
        row["type"]["label"],
        (row["school"] or row["district"])["name"],
        row["subject"],
        row["sender"]["name"],
        date_text(created, chicago),
        date_text(scheduled, chicago),
    )


async def test_the_log_of_a_week_shows_the_rows_of_the_first_two_screens(log: Database) -> None:
    data = await ask(log, LOG, **{"from": "2020-01-27", "to": "2020-01-31"})

    assert [shown(row) for row in data["messages"]["nodes"]] == ROWS


async def test_a_waiting_message_shows_the_summary_of_the_second_screen(log: Database) -> None:
    query = """
        { messages(
            createdBetween: {from: "2020-01-31", to: "2020-01-31"}
            filter: {status: [WAITING], subject: "library", createdText: "01:39 PM"}
          ) { nodes { viewerCanCancel deliverySummary {
            totalRecipients totalInbox totalEmails inboxEmail { status progressPercent } } } } }
    """

    assert (await ask(log, query))["messages"]["nodes"] == [
        {
            "viewerCanCancel": True,
            "deliverySummary": {
                "totalRecipients": 2,
                "totalInbox": 2,
                "totalEmails": 2,
                "inboxEmail": {"status": "WAITING", "progressPercent": 0},
            },
        }
    ]


async def test_school_is_cancelled_shows_the_figures_of_the_third_screen(log: Database) -> None:
    query = """
        { messages(createdBetween: {from: "2019-12-02", to: "2019-12-02"}, orderBy: [{field: CREATED_AT}]) {
            nodes { subject status createdAt reportOptions { devices details } deliverySummary {
              totalRecipients totalNoDevice totalInbox totalEmails totalVoice totalText
              totalVoiceAttempted totalTextAttempted recipientsContactedByPhone recipientsNotContactedByPhone
              inboxEmail { status progressPercent } durationMinutes
            } } } }
    """
    figures = {
        "totalRecipients": 127,
        "totalNoDevice": 34,
        "totalInbox": 93,
        "totalEmails": 3,
        "totalVoice": 0,
        "totalText": 0,
        "totalVoiceAttempted": 0,
        "totalTextAttempted": 0,
        "recipientsContactedByPhone": 0,
        "recipientsNotContactedByPhone": 127,
        "inboxEmail": {"status": "IN_PROGRESS", "progressPercent": 0},
        "durationMinutes": 0,
    }
    options = {"devices": ["NO_DEVICE", "INBOX", "EMAIL"], "details": ["ALL", "SUMMARY"]}

    assert (await ask(log, query))["messages"]["nodes"] == [
        {
            "subject": "School is Cancelled",
            "status": "IN_PROGRESS",
            "createdAt": created,
            "reportOptions": options,
            "deliverySummary": figures,
        }
        for created in ("2019-12-02T14:33:00+00:00", "2019-12-02T14:55:00+00:00")
    ]
