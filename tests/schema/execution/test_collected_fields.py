"""Collected fields are cached with their document, per combination of deciding variables, as long as the document lives."""

import gc
import weakref
from collections.abc import Mapping
from copy import copy
from typing import Any, Final, cast

import pytest
from graphql import FieldNode, GraphQLObjectType, OperationDefinitionNode, parse
from graphql.execution.collect_fields import CollectedFields, FieldDetails
from graphql.execution.values import VariableValues

from db.connect.database import Database
from resolvers.request.context import open_context
from schema.contract import SCHEMA, Contract, build, with_stock_executor
from schema.documents.documents import Documents
from schema.execution import collected_fields as module
from schema.execution.collected_fields import MOST_COLLECTED, Collected, Text, collected
from schema.execution.executor import FastExecutor
from schema.execution.selection import Selection, Unforeseen, selection_of
from tests.log import NOON, district, load, message, viewer
from tests.operations import EVER

MESSAGE: Final = cast(GraphQLObjectType, SCHEMA._schema.type_map["Message"])
LIST: Final = f"messages(createdBetween: {EVER}, first: $first) {{ nodes {{ subject }} }}"


@pytest.fixture
async def log(database: Database) -> Database:
    await load(
        database, district(), *(message(f"M-{one}", subject=f"No. {one}") for one in (1, 2, 3))
    )
    return database


def fast(schema: Contract = SCHEMA, documents: Documents | None = None) -> Contract:
    """The schema that keeps what it collects, also where all other tests ask one that does not."""
    other = copy(schema)
    other.execution_context_class = FastExecutor
    other.documents = Documents(schema._schema) if documents is None else documents
    return other


async def answer(
    schema: Contract,
    log: Database,
    text: str,
    variables: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Any:
    context = await open_context(log, viewer(), now=NOON)
    result = await schema.execute(
        text, variable_values=dict(variables or {}), operation_name=name, context_value=context
    )
    return result.data, [error.message for error in result.errors or ()]


TEXTS: Final[Mapping[str, tuple[str, list[Mapping[str, Any]]]]] = {
    "a size": (
        f"query($first: Int = 2) {{ {LIST} }}",
        [{"first": 1}, {"first": 3}, {}, {"first": None}, {"first": -1}],
    ),
    "a field that is left out": (
        f"""query($no: Boolean! = false, $yes: Boolean!) {{ messages(createdBetween: {EVER}) {{ nodes {{
            status @include(if: $yes) subject @skip(if: $no) type {{ code label @include(if: $yes) }} }} }} }}""",
        [{"yes": yes, "no": no} for yes in (True, False) for no in (True, False)]
        + [{"yes": True}, {"yes": "?"}, {}],
    ),
    "a fragment that is left out": (
        f"""query($more: Boolean = false) {{ messages(createdBetween: {EVER}) {{ nodes {{ id ...More @include(if: $more) }} }} }}
            fragment More on Message {{ subject school {{ name }} body @skip(if: $more) }}""",
        [{"more": True}, {}, {"more": False}, {"more": None}],
    ),
    "a root field that is left out": (
        f"query($no: Boolean!) {{ viewer @skip(if: $no) {{ id }} ... @include(if: $no) {{ {LIST.replace('$first', '1')} }} }}",
        [{"no": True}, {"no": False}],
    ),
    "a filter": (
        f"query($what: MessageFilter) {{ messages(createdBetween: {EVER}, filter: $what) {{ nodes {{ subject }} }} }}",
        [{"what": {"subject": "2"}}, {"what": {"subject": "3"}}, {"what": None}, {}],
    ),
}


@pytest.mark.parametrize("of", TEXTS)
async def test_the_same_text_with_other_variables_has_the_answer_of_those_variables(
    log: Database, of: str
) -> None:
    text, given = TEXTS[of]
    schema = fast()
    seen = []
    for variables in [*given, *reversed(given)]:
        found = await answer(schema, log, text, variables)
        assert found == await answer(with_stock_executor(SCHEMA), log, text, variables), variables
        seen.append(repr(found))

    assert len(set(seen)) > 1


async def test_each_operation_of_a_document_has_its_own_fields(log: Database) -> None:
    text = f"query A {{ {LIST.replace('$first', '1')} }} query B {{ {LIST.replace('$first', '1').replace('subject', 'status')} }}"
    schema = fast()

    for name in "ABBA":
        found = await answer(schema, log, text, name=name)
        assert found == await answer(with_stock_executor(SCHEMA), log, text, name=name)


async def test_what_is_selected_and_what_is_read_are_found_once(
    log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(of: GraphQLObjectType, *rest: Any) -> Selection:
        asked.append(of.name)
        return selection_of(of, *rest)

    monkeypatch.setattr(module, "selection_of", counted)
    schema, text = fast(), f"query($first: Int!) {{ {LIST} }}"

    asked_at_first: list[str] = []
    for first in (1, 2, 3):
        data, errors = await answer(schema, log, text, {"first": first})
        assert (len(data["messages"]["nodes"]), errors) == (first, [])
        asked_at_first = asked_at_first or asked[:]

    assert asked == asked_at_first
    assert "MessageConnection" in asked
    assert len(set(asked)) == len(asked)


async def test_what_was_collected_goes_when_its_document_goes(
    log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[Collected]] = []

    class Watched(Collected):
        def __init__(self) -> None:
            super().__init__()
            made.append(weakref.ref(self))

    monkeypatch.setattr(module, "Collected", Watched)
    documents = Documents(SCHEMA._schema, most=1)
    schema, text = fast(documents=documents), f"query($first: Int) {{ {LIST} }}"
    for _ in range(2):
        assert (await answer(schema, log, text))[1] == []
    gc.collect()
    (kept,) = made
    assert kept() is not None

    documents.read("{ __typename }")
    gc.collect()

    assert kept() is None


async def test_nothing_is_added_by_those_who_ask_again(log: Database) -> None:
    schema = fast()
    text = f'{{ nodes(ids: ["message.1", "message.2"]) {{ id ... on Message {{ subject recipients {{ nodes {{ name }} }} }} }} {LIST.replace("$first", "2")} }}'
    sizes = []
    for _ in range(3):
        assert (await answer(schema, log, text))[1] == []
        kept = of(schema.documents, text)
        sizes.append([len(cast(Any, one)) for one in vars(kept).values()])

    assert sizes[0] == sizes[1] == sizes[2]
    assert min(sizes[0]) > 0


def operation(documents: Documents, text: str) -> OperationDefinitionNode:
    return documents.read(text).operation_named(None).operation


def of(documents: Documents, text: str, **variables: Any) -> Collected:
    return collected(operation(documents, text), VariableValues({}, variables))


def test_only_so_many_sets_of_variables_are_kept_and_the_oldest_makes_room() -> None:
    documents = Documents(SCHEMA._schema)
    names = "abc"
    text = f"query({' '.join(f'${name}: Boolean!' for name in names)}) {{ {' '.join(f'{name}: __typename @skip(if: ${name})' for name in names)} }}"
    given = [dict(zip(names, f"{number:03b}", strict=True)) for number in range(MOST_COLLECTED + 1)]

    first, *others = [of(documents, text, **one) for one in given]

    assert [of(documents, text, **one) for one in given[1:]] == others
    assert of(documents, text, **given[0]) is not first


def test_of_a_document_that_nobody_keeps_nothing_is_kept() -> None:
    text = "{ viewer { id } }"
    for node in (parse(text), parse(Text(text)), parse(text, no_location=True)):
        one = node.definitions[0]
        assert isinstance(one, OperationDefinitionNode)
        nothing = VariableValues({}, {})
        assert collected(one, nothing) is not collected(one, nothing)


def only_field(text: str) -> FieldNode:
    """The one field of a document of one operation."""
    (operation,) = parse(text).definitions
    assert isinstance(operation, OperationDefinitionNode)
    (field,) = operation.selection_set.selections
    assert isinstance(field, FieldNode)
    return field


def test_a_list_of_fields_that_somebody_else_made_is_not_kept() -> None:
    kept = Collected()
    node = only_field("{ id }")
    below = CollectedFields({"id": [FieldDetails(node, None)]}, [], [])
    own, foreign = [FieldDetails(node, None)], [FieldDetails(node, None)]
    kept.root(MESSAGE, {"id": own})

    for details in (own, foreign):
        kept.collect(MESSAGE, details, lambda of, details: below)

    assert list(kept.below) == [(MESSAGE, id(own))]


def test_what_cannot_be_said_beforehand_is_asked_for_once() -> None:
    kept, asked = Collected(), []
    node = only_field("{ id }")

    def refused(of: GraphQLObjectType, details: list[FieldDetails]) -> CollectedFields:
        asked.append(of)
        raise Unforeseen

    for _ in range(2):
        with pytest.raises(Unforeseen):
            kept.selection(MESSAGE, [node], refused)

    assert asked == [MESSAGE]


def test_what_was_collected_goes_without_the_cyclic_collector() -> None:
    documents = Documents(SCHEMA._schema, most=1)
    text = "{ viewer { id } }"
    kept = of(documents, text)
    field = operation(documents, text).selection_set.selections[0]
    assert isinstance(field, FieldNode)
    kept.root(MESSAGE, {"viewer": [FieldDetails(field, None)]})
    gone = weakref.ref(kept)
    del kept, field
    gc.disable()
    try:
        assert gone() is not None
        documents.read("{ __typename }")
        assert gone() is None
    finally:
        gc.enable()


async def test_a_document_of_one_schema_serves_another(log: Database) -> None:
    other = build()
    documents = Documents(SCHEMA._schema)
    text = f"query($first: Int) {{ {LIST} }}"

    answers = [
        await answer(fast(schema, documents), log, text) for schema in (SCHEMA, other, SCHEMA)
    ]

    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0]["messages"]["nodes"] == [{"subject": f"No. {one}"} for one in (3, 2, 1)]
