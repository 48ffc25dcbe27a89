"""Statements select exactly the columns that the operation reads."""

import re
from collections.abc import Sequence
from typing import Any, Final, cast

import orjson
import pytest
from graphql import Executor, GraphQLField, GraphQLObjectType, get_named_type, is_leaf_type
from structlog.testing import capture_logs

from db.connect.database import Database
from db.log.messages import MessageRecord
from db.sql.rows import Rows
from domain.viewer import Right, Viewer
from resolvers.request.context import open_context
from schema.binding import Source, source_of
from schema.contract import SCHEMA, with_executor
from schema.execution.executor import FastExecutor
from tests.log import NOON, viewer
from tests.operations import EVER
from tests.schema.visibility.origins import load_origins
from tests.statements import recorded

NORTH: Final = viewer(district="north")
MASKED: Final = viewer(district="north", rights=[Right.VIEW_LOG])

_LOG: Final = "{ messages(createdBetween: EVER) { %s } }"
LISTS: Final = {
    "messages": ("Message", _LOG % "nodes { FIELD }"),
    "edges of messages": ("Message", _LOG % "totalCount edges { cursor node { FIELD } }"),
    "recipients": ("Recipient", _LOG % "nodes { recipients { totalCount nodes { FIELD } } }"),
    "edges of recipients": (
        "Recipient",
        _LOG % "nodes { recipients { edges { node { FIELD } } } }",
    ),
    "deliveries": ("Delivery", _LOG % "nodes { deliveries { totalCount nodes { FIELD } } }"),
    "edges of deliveries": (
        "Delivery",
        _LOG % "nodes { deliveries { edges { node { FIELD } recipient { name } } } }",
    ),
    "deliveries of recipients": (
        "Delivery",
        _LOG % "nodes { recipients { nodes { deliveries { FIELD } } } }",
    ),
}
"""Where each kind of record is listed."""


def asked_for(name: str, field: GraphQLField, depth: int) -> str:
    """A field, with the leaves below it, and those of a few levels more."""
    of = get_named_type(field.type)
    if is_leaf_type(of):
        return name
    parts = [
        asked_for(below, given, depth - 1)
        for below, given in cast(GraphQLObjectType, of).fields.items()
        if is_leaf_type(get_named_type(given.type)) or depth > 0
    ]
    return f"{name} {{ {' '.join(parts)} }}"


async def both(database: Database, document: str, who: Viewer) -> tuple[Any, Any]:
    """The answer from what is asked for, and the ordinary one, from whole records."""
    answers = []
    for schema in (SCHEMA, with_executor(SCHEMA, "stock")):
        context = await open_context(database, who, now=NOON)
        result = await schema.execute(document, context_value=context)
        answers.append((orjson.dumps(result.data), [str(error) for error in result.errors or ()]))
    return answers[0], answers[1]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where all other tests ask a schema that answers in the ordinary way."""
    monkeypatch.setattr(SCHEMA, "execution_context_class", FastExecutor)


pytestmark = pytest.mark.usefixtures("unlimited")


@pytest.mark.parametrize("who", [NORTH, MASKED], ids=["all", "masked"])
@pytest.mark.parametrize("listed", LISTS)
async def test_each_field_alone_says_all_that_it_reads(
    database: Database, listed: str, who: Viewer
) -> None:
    await load_origins(database)
    name, place = LISTS[listed]
    of = cast(GraphQLObjectType, SCHEMA._schema.type_map[name])
    for field, given in of.fields.items():
        document = place.replace("EVER", EVER).replace("FIELD", asked_for(field, given, 1))
        whole, ordinary = await both(database, document, who)
        assert whole == ordinary, document
        assert not whole[1], document


async def test_a_statement_reads_no_column_that_nobody_asked_for(database: Database) -> None:
    await load_origins(database)
    context = await open_context(database, NORTH, now=NOON)
    document = f"""query($no: Boolean = false) {{ messages(createdBetween: {EVER}) {{ nodes {{
        about: subject ...More @include(if: $no) type {{ code }} school {{ name }} }} totalCount }} }}
        fragment More on Message {{ externalId }}"""

    with recorded(database) as statements:
        result = await SCHEMA.execute(document, context_value=context)

    assert result.errors is None
    page = next(one.text for one in statements if "message.subject" in one.text)
    read = set(re.findall(r"message\.(\w+)", page[: page.index("FROM")]))
    assert read == {"id", "subject", "type_code", "type_label", "school_id", "created_at"}


async def test_a_list_of_columns_is_answered_without_a_record_of_each_row(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load_origins(database)

    def refused(*_: object) -> None:
        pytest.fail("it was not answered whole")

    monkeypatch.setattr(Rows, "_records", refused)
    monkeypatch.setattr(Executor, "complete_iterable_value", refused)
    context = await open_context(database, NORTH, now=NOON)
    document = f"""{{ messages(createdBetween: {EVER}) {{
        nodes {{ id status createdAt type {{ label }} sender {{ name }} deliveryModes }} }}
        message(id: "message.1") {{
          recipients {{ nodes {{ id name student {{ name }} contactedByPhone }} }}
          deliveries {{ nodes {{ id mode address status statusLabel callStatus {{ label }} at }} }} }} }}"""

    result = await SCHEMA.execute(document, context_value=context)

    assert result.errors is None


async def test_a_field_that_reads_what_it_does_not_name_fails_and_answers_no_null(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load_origins(database)
    field = cast(GraphQLObjectType, SCHEMA._schema.type_map["Message"]).fields["scheduleId"]

    def reads(asked: object) -> Sequence[str]:
        return ("id",) if asked is field else ("revision",)

    monkeypatch.setattr("schema.execution.lookahead.reads_of", reads)
    context = await open_context(database, NORTH, now=NOON)
    document = f"{{ messages(createdBetween: {EVER}) {{ nodes {{ scheduleId }} }} }}"

    with capture_logs():
        result = await SCHEMA.execute(document, context_value=context)

    assert [error.extensions for error in result.errors or ()] == [{"code": "INTERNAL"}] * 6
    assert result.data == {"messages": {"nodes": [{"scheduleId": None}] * 6}}


def test_what_a_field_names_is_in_its_record_and_in_no_property() -> None:
    of = cast(GraphQLObjectType, SCHEMA._schema.type_map["Message"])
    for name, field in of.fields.items():
        source = source_of(field)
        if isinstance(source, Source):
            assert set(MessageRecord._fields).issuperset(source.names), name
