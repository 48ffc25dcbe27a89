"""Invalid arguments: the error says what is wrong and what to do, and none is an internal error."""

from datetime import timedelta
from typing import Any

import pytest

from db.connect.database import Database
from tests.log import NOON, district, email, load, message, recipient
from tests.operations import EVER, ask, refusals

SIZES = [
    ("first: -1", "first: -1 is out of range. A page has 0 to 4000 rows; go on with a cursor."),
    ("first: 4001", "first: 4001 is out of range. A page has 0 to 4000 rows; go on with a cursor."),
    (
        "first: 2147483647",
        "first: 2147483647 is out of range. A page has 0 to 4000 rows; go on with a cursor.",
    ),
    ("last: -1", "last: -1 is out of range. A page has 0 to 4000 rows; go on with a cursor."),
    ("last: 4001", "last: 4001 is out of range. A page has 0 to 4000 rows; go on with a cursor."),
    ("first: 1, last: 1", "first and last were both given. Give one of them."),
    ("first: 0, last: 0", "first and last were both given. Give one of them."),
]
BROKEN = ["", "x", "é", "TWVzc2FnZTox", "W10", "bnVsbA", "NQ", "e30", "\n", "=", "A" * 5_000]
LISTS = {
    "messages": f"messages(createdBetween: {EVER}, ARGUMENTS) {{ totalCount }}",
    "recipients": 'message(id: "message.1") { recipients(ARGUMENTS) { totalCount } }',
    "deliveries": 'message(id: "message.1") { deliveries(ARGUMENTS) { totalCount } }',
    "what a person was sent": 'person(id: "person.1") { recipients(ARGUMENTS) { totalCount } }',
}
FORWARD = {"what a person was sent"}
"""Lists that are walked from the front alone."""
TEXTS = ["subject", "sender", "createdText", "scheduledText", "scheduleId", "recipient"]


@pytest.fixture
async def log(database: Database) -> Database:
    await load(
        database,
        district(),
        *[
            message(f"M-{n}", [recipient("p1", email())], created_at=NOON + timedelta(hours=n))
            for n in range(3)
        ],
    )
    return database


@pytest.mark.parametrize("name", LISTS)
async def test_sizes_that_no_page_has_are_refused(log: Database, name: str) -> None:
    for arguments, problem in SIZES:
        if "last" in arguments and name in FORWARD:
            continue
        document = f"{{ {LISTS[name].replace('ARGUMENTS', arguments)} }}"

        assert await refusals(log, document) == [("BAD_USER_INPUT", problem)], arguments


@pytest.mark.parametrize("name", LISTS)
async def test_what_is_no_cursor_is_refused(log: Database, name: str) -> None:
    places = ["after"] if name in FORWARD else ["after", "before"]
    for place in places:
        document = (
            f"query($cursor: String) {{ {LISTS[name].replace('ARGUMENTS', f'{place}: $cursor')} }}"
        )
        for cursor in BROKEN:
            assert await refusals(log, document, {"cursor": cursor}) == [
                (
                    "BAD_USER_INPUT",
                    f"{cursor[:40]!r} is not a cursor. Take one from pageInfo or from an edge.",
                )
            ]


async def test_a_cursor_of_another_order_is_refused(log: Database) -> None:
    document = f"""query($by: [MessageOrder!], $after: String) {{
        messages(createdBetween: {EVER}, orderBy: $by, first: 1, after: $after) {{ pageInfo {{ endCursor }} }} }}"""
    given = await ask(log, document, {"by": [{"field": "SUBJECT"}]})
    cursor = given["messages"]["pageInfo"]["endCursor"]

    for order in ([{"field": "SUBJECT", "direction": "DESC"}], [{"field": "SENDER"}], [], None):
        assert await refusals(log, document, {"by": order, "after": cursor}) == [
            (
                "BAD_USER_INPUT",
                "This cursor comes from a list with another filter or order. Begin that list again without a cursor.",
            )
        ]


@pytest.mark.parametrize(
    ("days", "found"),
    [
        ('{from: "2020-01-31", to: "2020-01-31"}', 3),
        ('{from: "0001-01-01", to: "9999-12-31"}', 3),
        ('{from: "0001-01-01", to: "0001-01-01"}', 0),
        ('{from: "9999-12-31", to: "9999-12-31"}', 0),
        ('{from: "1899-12-31", to: "1900-01-01"}', 0),
    ],
)
async def test_any_days_of_the_calendar_can_be_asked_for(
    log: Database, days: str, found: int
) -> None:
    data = await ask(log, f"{{ messages(createdBetween: {days}) {{ totalCount }} }}")

    assert data["messages"]["totalCount"] == found


@pytest.mark.parametrize(
    "document",
    [
        "query($days: DateRange!) { messages(createdBetween: $days) { totalCount } }",
        """query($days: DateRange!) { person(id: "person.1") { recipients(createdBetween: $days) { totalCount } } }""",
    ],
)
async def test_days_that_end_before_they_begin_are_refused(log: Database, document: str) -> None:
    days = {"from": "2020-02-01", "to": "2020-01-31"}

    assert await refusals(log, document, {"days": days}) == [
        (
            "BAD_USER_INPUT",
            "The days end (2020-01-31) before they begin (2020-02-01). Exchange the two.",
        )
    ]


@pytest.mark.parametrize(
    ("order", "found"),
    [
        (None, ["message.3", "message.2", "message.1"]),
        ([], ["message.1", "message.2", "message.3"]),
        ([{"field": "SUBJECT"}], ["message.1", "message.2", "message.3"]),
        ([{"field": "SUBJECT", "direction": "DESC"}], ["message.3", "message.2", "message.1"]),
        (
            [{"field": "SUBJECT"}, {"field": "CREATED_AT", "direction": "DESC"}],
            ["message.3", "message.2", "message.1"],
        ),
    ],
)
async def test_without_an_order_the_newest_comes_first_and_ties_end_by_id(
    log: Database, order: list[dict[str, str]] | None, found: list[str]
) -> None:
    document = f"""query($by: [MessageOrder!]) {{
        messages(createdBetween: {EVER}, orderBy: $by) {{ nodes {{ id }} }} }}"""

    data = await ask(log, document, {"by": order})

    assert [node["id"] for node in data["messages"]["nodes"]] == found


async def test_a_column_that_is_named_twice_is_refused(log: Database) -> None:
    document = f"""{{ messages(createdBetween: {EVER}, orderBy: [
        {{field: SUBJECT}}, {{field: STATUS}}, {{field: SUBJECT, direction: DESC}}]) {{ totalCount }} }}"""

    assert await refusals(log, document) == [
        ("BAD_USER_INPUT", "orderBy names a field twice. Name each once.")
    ]


@pytest.mark.parametrize("many", ["status", "type", "schoolIds"])
async def test_a_thousand_choices_are_enough(log: Database, many: str) -> None:
    document = f"""query($filter: MessageFilter) {{
        messages(createdBetween: {EVER}, filter: $filter) {{ totalCount }} }}"""
    value = "SENT" if many == "status" else "BEHAVIOR"

    assert await refusals(log, document, {"filter": {many: [value] * 1_000}}) == []
    assert await refusals(log, document, {"filter": {many: [value] * 1_001}}) == [
        ("BAD_USER_INPUT", f"filter.{many} has 1001 values. Give at most 1000.")
    ]


async def test_a_hundred_ids_are_enough(log: Database) -> None:
    document = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"

    data = await ask(log, document, {"ids": ["message.1"] * 99 + ["x"]})

    assert data["nodes"] == [{"id": "message.1"}] * 99 + [None]
    assert await refusals(log, document, {"ids": ["message.1"] * 101}) == [
        ("BAD_USER_INPUT", "101 ids were asked for. Ask for at most 100 at once.")
    ]


async def test_a_character_that_no_database_holds_is_refused(log: Database) -> None:
    document = f"""query($filter: MessageFilter) {{
        messages(createdBetween: {EVER}, filter: $filter) {{ totalCount }} }}"""
    recipients = '{ message(id: "message.1") { recipients(search: "he\\u0000") { totalCount } } }'

    def refusal(argument: str) -> list[tuple[str, str]]:
        problem = f"{argument} holds a NUL character, which is in no text here. Take it out."
        return [("BAD_USER_INPUT", problem)]

    for name in TEXTS:
        found = await refusals(log, document, {"filter": {name: "he\0ather"}})
        assert found == refusal(f"filter.{name}")
    assert await refusals(log, document, {"filter": {"type": ["\0"]}}) == refusal("filter.type")
    assert await refusals(log, recipients) == refusal("search")


@pytest.mark.parametrize("asked", ["", " ", '"', "'", "%", "_", "\\", "*", "-", "(", "\x01", "🚌"])
async def test_any_other_text_can_be_searched_for(log: Database, asked: str) -> None:
    document = f"""query($filter: MessageFilter) {{
        messages(createdBetween: {EVER}, filter: $filter) {{ totalCount }} }}"""

    for name in TEXTS:
        for text in (asked, asked * 3, f"abc{asked}"):
            assert await refusals(log, document, {"filter": {name: text}}) == []


@pytest.mark.parametrize(
    "filter",
    [
        {"status": []},
        {"type": []},
        {"schoolIds": []},
        {"schoolIds": ["school.99", "message.1", "nonsense"]},
        {"districtWide": False},
        {"status": ["WAITING"]},
        {"type": ["behavior"]},  # a code, not a label: no folding
        {"mine": True, "sender": "nobody"},
    ],
)
async def test_choices_that_nothing_meets_find_nothing(
    log: Database, filter: dict[str, Any]
) -> None:
    document = f"""query($filter: MessageFilter) {{
        messages(createdBetween: {EVER}, filter: $filter) {{ totalCount nodes {{ id }} }} }}"""

    assert (await ask(log, document, {"filter": filter}))["messages"] == {
        "totalCount": 0,
        "nodes": [],
    }


@pytest.mark.parametrize(
    "filter",
    [None, {}, {"status": None, "subject": None}, {"subject": ""}, {"mine": False}, {"mine": True}],
)
async def test_parts_that_ask_for_nothing_find_everything(
    log: Database, filter: dict[str, Any] | None
) -> None:
    document = f"""query($filter: MessageFilter) {{
        messages(createdBetween: {EVER}, filter: $filter) {{ totalCount }} }}"""

    assert (await ask(log, document, {"filter": filter}))["messages"]["totalCount"] == 3
