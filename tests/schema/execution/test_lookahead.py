"""Fields below are loaded together with a field, with the same result as separate loading."""

from typing import Final

import orjson
import pytest

from db.connect.database import Database
from domain.viewer import Right, Viewer
from resolvers.request.context import open_context
from schema.contract import SCHEMA, with_executor
from schema.execution.executor import FastExecutor
from tests import log
from tests.statements import recorded

ALL: Final = log.viewer()
MASKED: Final = log.viewer(rights=[Right.VIEW_LOG])

_MESSAGE: Final = '{ message(id: "message.1") { %s } }'


@pytest.fixture(autouse=True)
def ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where all other tests ask a schema that answers in the ordinary way, in which nobody looks ahead."""
    monkeypatch.setattr(SCHEMA, "execution_context_class", FastExecutor)


@pytest.fixture
async def filled(database: Database) -> Database:
    people = [
        log.recipient("p1", log.email(at=log.NOON), log.voice(call_status=5, at=log.NOON)),
        log.recipient("p2", log.email("tad@nomail.example", at=log.NOON), name="Parent, Tad"),
        log.recipient("p3", name="Parent, Ann"),
    ]
    await log.load(database, log.district(), log.message("M-1", people))
    return database


async def answered(database: Database, document: str, who: Viewer) -> tuple[bytes, int]:
    """The answer, the same as in the ordinary way, and in how many statements that ask for deliveries."""
    ordinary = await with_executor(SCHEMA, "stock").execute(
        document, context_value=await open_context(database, who, now=log.NOON)
    )
    context = await open_context(database, who, now=log.NOON)
    with recorded(database) as statements:
        result = await SCHEMA.execute(document, context_value=context)
    assert (result.errors, ordinary.errors) == (None, None)
    answer = orjson.dumps(result.data)
    assert answer == orjson.dumps(ordinary.data)
    return answer, sum(" delivery " in statement.text for statement in statements)


@pytest.mark.parametrize("who", [ALL, MASKED], ids=["all", "masked"])
@pytest.mark.parametrize(
    ("shown", "statements"),
    [
        ("recipients { nodes { name deliveries { id address } } }", 1),
        ("recipients { edges { cursor node { deliveries { address at } } } }", 1),
        ("recipients(first: 1) { nodes { deliveries { status } } pageInfo { hasNextPage } }", 1),
        ("recipients(last: 2) { nodes { number: id deliveries { mode } } }", 1),
        # Two different lists, of which the first is known when recipients are read.
        ("recipients { nodes { a: deliveries { address } b: deliveries { at } } }", 2),
        ("a: recipients { nodes { deliveries { id } } } b: recipients { nodes { id } }", 1),
        ("recipients { nodes { name } }", 0),
        ("recipients { nodes { person { recipients { nodes { deliveries { id } } } } } }", 1),
    ],
)
async def test_the_deliveries_that_are_shown_come_with_the_recipients(
    filled: Database, shown: str, statements: int, who: Viewer
) -> None:
    _, taken = await answered(filled, _MESSAGE % shown, who)

    assert taken == statements


@pytest.mark.parametrize("who", [ALL, MASKED], ids=["all", "masked"])
@pytest.mark.parametrize(
    "shown",
    [
        "subject deliverySummary { totalEmails tallies { mode status count } }",
        "deliverySummary { startedAt endedAt durationMinutes inboxEmail { status } }",
        "a: deliverySummary { totalVoice } ...More",
        "subject",
    ],
)
async def test_the_counters_that_are_shown_come_with_the_message(
    filled: Database, shown: str, who: Viewer
) -> None:
    document = _MESSAGE % shown
    if "...More" in shown:
        document += " fragment More on Message { b: deliverySummary { totalText } }"
    await answered(filled, document, who)
    context = await open_context(filled, who, now=log.NOON)
    with recorded(filled) as statements:
        await SCHEMA.execute(document, context_value=context)

    read = [one.text for one in statements if "BEGIN" not in one.text]
    assert len(read) == 1
    assert ("tally" in read[0]) is ("deliverySummary" in shown)


async def test_a_message_that_nobody_may_see_has_no_counters(filled: Database) -> None:
    document = '{ message(id: "message.2") { deliverySummary { totalEmails } } }'

    answer, _ = await answered(filled, document, ALL)

    assert answer == b'{"message":null}'
