"""The texts of a message as the log shows them."""

from datetime import UTC, datetime

import pytest

from db.connect.database import Database
from domain.status import MESSAGE_STATUS_LABELS, MessageStatus
from tests.log import NOON, district, load, message, school, viewer
from tests.operations import EVER, ask

TEXTS = f"""query($filter: MessageFilter) {{ messages(createdBetween: {EVER}, filter: $filter) {{
    nodes {{ externalId statusLabel originLabel createdText scheduledText }} }} }}"""

MORNING = datetime(2020, 7, 1, 14, 5, tzinfo=UTC)
"""Five past nine in Chicago, by daylight saving time."""
EVENING = datetime(2020, 2, 1, 2, 0, tzinfo=UTC)


@pytest.fixture
async def log(database: Database) -> Database:
    await load(
        database,
        district(),
        school(),
        message("school", school="harrison-high", created_at=NOON, scheduled_at=EVENING),
        message("district", created_at=MORNING),
    )
    return database


async def test_a_message_has_the_texts_of_its_row_in_the_log(log: Database) -> None:
    data = await ask(log, TEXTS)

    assert data["messages"]["nodes"] == [
        {
            "externalId": "district",
            "statusLabel": "Sent",
            "originLabel": "Plainview Schools",
            "createdText": "07/01/2020 9:05 AM",
            "scheduledText": "07/01/2020 9:05 AM",
        },
        {
            "externalId": "school",
            "statusLabel": "Sent",
            "originLabel": "Harrison High",
            "createdText": "01/31/2020 12:00 PM",
            "scheduledText": "01/31/2020 8:00 PM",
        },
    ]


async def test_the_texts_find_the_messages_that_have_them(log: Database) -> None:
    for node in (await ask(log, TEXTS))["messages"]["nodes"]:
        for field in ("createdText", "scheduledText"):
            found = await ask(log, TEXTS, {"filter": {field: node[field]}})
            assert [one["externalId"] for one in found["messages"]["nodes"]] == [node["externalId"]]


@pytest.mark.parametrize("status", MessageStatus)
async def test_a_status_has_the_label_of_the_table(
    database: Database, status: MessageStatus
) -> None:
    await load(database, district(), message(status=status))

    data = await ask(database, '{ message(id: "message.1") { statusLabel } }')

    assert data["message"]["statusLabel"] == MESSAGE_STATUS_LABELS[status]


async def test_a_viewer_of_one_school_reads_the_name_of_that_school_and_no_other(
    log: Database,
) -> None:
    data = await ask(log, TEXTS, viewer=viewer(schools=["harrison-high"]))

    assert [node["originLabel"] for node in data["messages"]["nodes"]] == ["Harrison High"]
