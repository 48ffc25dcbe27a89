"""Figures over many messages, as a client asks for them."""

from datetime import timedelta
from typing import Any

import pytest

from db.connect.database import Database
from delivery.upkeep.figure_sums import sum_changed_days
from domain.message import Source
from domain.status import DeliveryStatus, MessageStatus
from domain.viewer import Right
from tests.log import (
    NOON,
    district,
    email,
    inbox,
    load,
    message,
    recipient,
    school,
    viewer,
    voice,
)
from tests.operations import ask, refusals

YEAR = '{from: "2020-01-01", to: "2020-12-31"}'
FAILED = voice(status=DeliveryStatus.FAILED, call_status=0, at=NOON)

pytestmark = pytest.mark.parametrize("is_summed", [False, True], ids=["messages", "sums"])


@pytest.fixture
async def log(database: Database, is_summed: bool) -> Database:
    await load(
        database,
        district(),
        school("east"),
        school("west"),
        message(
            "M-1",
            [
                recipient("p1", email(status=DeliveryStatus.SENT, at=NOON), FAILED),
                recipient("p2", email(status=DeliveryStatus.SENT, at=NOON)),
            ],
            school="east",
        ),
        message(
            "M-2",
            [recipient("p1", inbox(status=DeliveryStatus.DELIVERED, at=NOON))],
            school="west",
            type=("LUNCH", "Lunch"),
            sender=("u2", "Clerk"),
            created_at=NOON.replace(month=3, day=9, hour=4),  # still 8 March in Chicago
        ),
        message("M-3", [recipient("p1", email())], status=None),
        message(
            "M-4",
            [recipient("p1", email())],
            status=None,
            source=Source.SCHEDULER,
            scheduled_at=NOON + timedelta(days=1),
        ),
        message("M-5", [recipient("p1", email())], status=MessageStatus.CANCELED),
    )
    if is_summed:
        await sum_changed_days(database, now=NOON)
    return database


async def figures(
    database: Database, group_by: str, fields: str, *, filter: str = "{}", **request: Any
) -> list[dict[str, Any]]:
    document = f"{{ figures(createdBetween: {YEAR}, groupBy: {group_by}, filter: {filter}) {{ {fields} }} }}"
    found: list[dict[str, Any]] = (await ask(database, document, **request))["figures"]
    return found


async def test_figures_are_grouped_by_local_days_weeks_and_months(log: Database) -> None:
    assert await figures(log, "[DAY]", "from messages deliveries") == [
        {"from": "2020-01-31", "messages": 3, "deliveries": 4},
        {"from": "2020-03-08", "messages": 1, "deliveries": 1},
    ]
    assert await figures(log, "[WEEK]", "from messages") == [
        {"from": "2020-01-27", "messages": 3},
        {"from": "2020-03-02", "messages": 1},
    ]
    assert await figures(log, "[MONTH]", "from messages") == [
        {"from": "2020-01-01", "messages": 3},
        {"from": "2020-03-01", "messages": 1},
    ]


async def test_a_duplicate_is_in_no_figure_and_every_status_is(log: Database) -> None:
    fields = "mode messages deliveries delivered sent failed canceled optedOut pending failureRate medianSeconds"
    nothing = {"failureRate": None, "medianSeconds": None}

    def row(mode: str, *counts: int) -> dict[str, Any]:
        return dict(zip(fields.split(), (mode, *counts), strict=False)) | nothing

    assert await figures(log, "[MODE]", fields) == [
        row("INBOX", 1, 1, 1, 0, 0, 0, 0, 0),
        row("EMAIL", 3, 3, 0, 1, 0, 1, 0, 1),
        row("VOICE", 1, 1, 0, 0, 1, 0, 0, 0),
    ]


async def test_dimensions_have_their_names_and_others_are_null(log: Database) -> None:
    fields = "from school { name } type { code label } sender { id name } mode provider messages"

    rows = await figures(log, "[SCHOOL, TYPE, SENDER]", fields)

    unnamed = {"from": None, "mode": None, "provider": None}
    behavior = {"code": "BEHAVIOR", "label": "Behavior"}
    system = {"id": "u1", "name": "Administrator, System"}
    assert rows == [
        unnamed | {"school": {"name": "East"}, "type": behavior, "sender": system, "messages": 1},
        unnamed
        | {
            "school": {"name": "West"},
            "type": {"code": "LUNCH", "label": "Lunch"},
            "sender": {"id": "u2", "name": "Clerk"},
            "messages": 1,
        },
        unnamed | {"school": None, "type": behavior, "sender": system, "messages": 2},
    ]
    assert await figures(log, "[]", "messages deliveries") == [{"messages": 4, "deliveries": 5}]


async def test_a_filter_limits_the_messages(log: Database) -> None:
    assert await figures(log, "[]", "messages", filter='{type: ["LUNCH"]}') == [{"messages": 1}]
    assert await figures(log, "[]", "messages", filter="{districtWide: true}") == [{"messages": 2}]
    assert await figures(log, "[]", "messages", filter='{sender: "clerk"}') == [{"messages": 1}]
    assert await figures(log, "[]", "messages", filter='{sender: "nobody"}') == []


async def test_a_viewer_of_a_school_gets_the_figures_of_that_school(log: Database) -> None:
    east = viewer(schools=["east"], rights=[Right.VIEW_LOG])
    rows = await figures(
        log, "[SCHOOL, TYPE]", "school { name } type { code } messages", viewer=east
    )

    assert rows == [{"school": {"name": "East"}, "type": {"code": "BEHAVIOR"}, "messages": 1}]


async def test_a_scheduled_message_is_in_the_figures_from_its_time(log: Database) -> None:
    later = NOON + timedelta(days=1)

    assert await figures(log, "[]", "messages") == [{"messages": 4}]
    assert await figures(log, "[]", "messages", now=later) == [{"messages": 5}]


async def test_figures_need_the_right_to_view_the_log(log: Database) -> None:
    document = f"{{ figures(createdBetween: {YEAR}, groupBy: []) {{ messages }} }}"
    recipients = document.replace("groupBy", 'filter: {recipient: "x"}, groupBy')
    nobody = viewer(rights=set(Right) - {Right.VIEW_LOG})
    masked = viewer(rights=[Right.VIEW_LOG])

    assert [code for code, _ in await refusals(log, document, viewer=nobody)] == ["FORBIDDEN"]
    assert [code for code, _ in await refusals(log, recipients, viewer=masked)] == ["FORBIDDEN"]
    assert await refusals(log, document, viewer=masked) == []


@pytest.mark.parametrize(
    ("days", "group_by", "reason"),
    [
        ('{from: "1900-01-01", to: "2099-12-31"}', "[DAY]", "createdBetween has 73,049 days"),
        ('{from: "2020-01-02", to: "2020-01-01"}', "[DAY]", "The days end (2020-01-01) before"),
        (YEAR, "[DAY, MONTH]", "groupBy names DAY and MONTH. Name at most one"),
        (YEAR, "[MODE, DAY, MODE]", "groupBy names MODE twice."),
    ],
)
async def test_arguments_beyond_their_limits_are_refused(
    log: Database, days: str, group_by: str, reason: str
) -> None:
    document = f"{{ figures(createdBetween: {days}, groupBy: {group_by}) {{ messages }} }}"

    [(code, text)] = await refusals(log, document)

    assert code == "BAD_USER_INPUT"
    assert text.startswith(reason)


async def test_too_many_rows_are_refused_with_their_number(
    log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.figures.MOST_ROWS", 2)
    monkeypatch.setattr("db.derived.figures.figure_rows.MOST_ROWS", 2)
    monkeypatch.setattr("db.derived.figures.figure_statements.MOST_ROWS", 2)

    assert await refusals(
        log, f"{{ figures(createdBetween: {YEAR}, groupBy: [MODE]) {{ messages }} }}"
    ) == [
        (
            "BAD_USER_INPUT",
            "The figures have 3 rows; 2 are allowed. Group by fewer dimensions, or ask for fewer days or schools.",
        )
    ]
