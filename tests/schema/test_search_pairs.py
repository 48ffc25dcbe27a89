"""The promise: every text filter finds texts that a person considers equal, on both engines."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
import pytest

from db.connect.database import Database
from domain.viewer import Right, Viewer
from resolvers.request.context import open_context
from schema.contract import SCHEMA
from tests.cases import cases
from tests.log import NOON, district, email, message, recipient, voice
from tests.resolvers.uploads import send

ADMINISTRATOR: Final = Viewer(
    id="a",
    name="Administrator, System",
    district="plainview",
    schools=frozenset(),
    rights=frozenset(Right),
    expires_at=datetime(2030, 1, 1, tzinfo=UTC),
)

LOG: Final = """
    query Log($filter: MessageFilter!, $search: String) {
      messages(createdBetween: {from: "2020-01-31", to: "2020-01-31"}, filter: $filter) {
        nodes { subject recipients(search: $search) { totalCount } }
      }
    }
"""

# Filter, stored text, what somebody types, whether it is found.
FURTHER: Final = [
    ("sender", "D\u2019Souza\u00a0, Ana", "d'souza , ana", True),
    ("sender", "D\u00b4Souza, Ana", "D`Souza", True),
    ("sender", "D\u2019Souza, Ana", '"', False),
    ("scheduleId", "S\u20112020\u20131", "s-2020-1", True),
    ("scheduleId", "S1", "\ufeffS1\u200e", True),
    ("subject", "\u00ab caf\u00e9 \u00bb", '" CAFE "', True),
    ("subject", "Room\u20035\u202f\u2014 6", "room 5 - 6", True),
    ("subject", "Half\u2010day\u2212schedule", "half-day-schedule", True),
    ("subject", "I \u2764\ufe0f school", "\u2764 school", True),
    ("subject", "Uniform \u06f1\u06f2", "\u0967\u0968", True),
    ("subject", "Uniform 13", "\u0967\u0968", False),
    ("subject", "plain", "\u200b\u00ad", True),
    ("recipient", "Cohen, \u05e0\u05ea\u05f3", "\u05e0\u05ea'", True),
    ("recipient", "\u0641\u0627\u0637\u0645\u0629", "\u0641\u0627\u0637\u0645\u0647", True),
    (
        "recipient",
        "\u0623\u062d\u0645\u062f \u0643\u0631\u064a\u0645",
        "\u0627\u062d\u0645\u062f \u06a9\u0631\u06cc\u0645",
        True,
    ),
    ("recipient", "Pe\u00f1a, Ana", "pen\u0303a", True),
    ("recipient", "Pena, Ana", "Pera", False),
    ("recipient", "o'hara@nomail.example", "O\u2019Hara@", True),
    ("recipient", "+16125550101", "\u0666\u0661\u0662 555\u00a00101", True),
    ("recipient", "+16125550101", "(612)\u2011555", True),
    ("recipient", "+16125550101", "612\u2013555\u20130102", False),
    ("createdText", "", "01/31/2020\u202f12:00", True),
    ("createdText", "", "\u200e01/31/2020\u200e 12:00\u2007pm ", True),
    ("scheduledText", "", "\u2066012:00\u2069", False),
    ("scheduledText", "", "12:00\u202fPM", True),
    ("scheduledText", "", " \u200b ", True),
]


def searches() -> list[tuple[str, str, str, bool]]:
    """Every case: filter, stored text, what somebody types, whether it is found."""
    pairs = [
        (case["field"], case["stored"], case["typed"], case["found"])
        for case in cases("search_pairs")
    ]
    return pairs + FURTHER


def stored_as(number: int, field: str, text: str) -> bytes:
    """A message in which this text stands where the filter looks for it."""
    fields: dict[str, Any] = {"subject": f"Subject {number:03}", "sender": ("u", "Sender")}
    device, name = email(f"device{number}@other.example"), "Nobody, Known"
    match field:
        case "subject":
            fields["subject"] = text
        case "sender":
            fields["sender"] = ("u", text)
        case "scheduleId":
            fields["schedule_id"] = text
        case "recipient" if "@" in text:
            device = email(text)
        case "recipient" if text.startswith("+"):
            device = voice(text)
        case "recipient":
            name = text
    return message(
        f"M-{number}",
        [recipient(f"p{number}", device, name=name)],
        **fields,
    )


async def ask(database: Database, asked: Mapping[str, str], search: str | None) -> list[Any]:
    """The messages that are found, each with how many of its recipients are."""
    context = await open_context(database, ADMINISTRATOR, now=NOON + timedelta(days=1))
    variables = {"filter": dict(asked), "search": search}
    result: Any = await SCHEMA.execute(LOG, variable_values=variables, context_value=context)
    assert result.errors is None
    nodes: list[Any] = orjson.loads(orjson.dumps(result.data))["messages"]["nodes"]
    return nodes


@pytest.fixture
async def filled(database: Database) -> Database:
    """A log with a message for each case."""
    lines = [stored_as(number, *case[:2]) for number, case in enumerate(searches())]
    await send(database, district(), *lines)
    return database


async def test_each_filter_finds_what_a_person_would_call_the_same(filled: Database) -> None:
    wrong = []
    for number, (field, stored, typed, found) in enumerate(searches()):
        shown = stored if field == "subject" else f"Subject {number:03}"
        nodes = await ask(filled, {field: typed}, None)
        if (shown in [node["subject"] for node in nodes]) is not found:
            wrong.append((field, stored, typed))
    assert wrong == []


async def test_the_search_among_recipients_finds_the_same(filled: Database) -> None:
    wrong = []
    for number, (field, stored, typed, found) in enumerate(searches()):
        if field == "recipient":
            (node,) = await ask(filled, {"subject": f"Subject {number:03}"}, typed)
            if (node["recipients"]["totalCount"] == 1) is not found:
                wrong.append((stored, typed))
    assert wrong == []


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u200b\u2060", "\u00a0\u00ad\ufeff", "\u0301"])
async def test_what_nobody_can_see_is_no_filter(database: Database, blank: str) -> None:
    await send(database, district(), message("M-1", [recipient("p1", email("a@nomail.example"))]))
    fields = ("subject", "sender", "scheduleId", "createdText", "scheduledText", "recipient")

    nodes = await ask(database, dict.fromkeys(fields, blank), blank)

    assert nodes == [{"subject": "Student Behavior", "recipients": {"totalCount": 1}}]
