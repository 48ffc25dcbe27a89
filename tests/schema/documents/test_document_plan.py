"""What is derived from a document is kept with it, per combination of deciding variables, as long as the document lives."""

import gc
import weakref
from collections.abc import Mapping
from copy import copy
from typing import Any, Final, cast

import pytest
from graphql import DocumentNode, GraphQLObjectType, print_ast
from graphql.execution.values import VariableValues

from db.connect.database import Database
from resolvers.request.context import open_context
from schema.contract import SCHEMA, Contract, build, with_executor
from schema.documents import document_plan as module
from schema.documents.document_plan import MOST_VARIANTS, OperationPlan
from schema.documents.documents import Documents
from schema.execution import executor
from schema.execution.executor import FastExecutor
from schema.execution.selection import Selection, selection_of
from tests.log import NOON, district, load, message, viewer
from tests.operations import EVER

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
        assert found == await answer(with_executor(SCHEMA, "stock"), log, text, variables), (
            variables
        )
        seen.append(repr(found))

    assert len(set(seen)) > 1


async def test_each_operation_of_a_document_has_its_own_fields(log: Database) -> None:
    text = f"query A {{ {LIST.replace('$first', '1')} }} query B {{ {LIST.replace('$first', '1').replace('subject', 'status')} }}"
    schema = fast()

    for name in "ABBA":
        found = await answer(schema, log, text, name=name)
        assert found == await answer(with_executor(SCHEMA, "stock"), log, text, name=name)


async def test_what_is_selected_and_what_is_read_are_found_once(
    log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(of: GraphQLObjectType, *rest: Any) -> Selection:
        asked.append(of.name)
        return selection_of(of, *rest)

    monkeypatch.setattr(executor, "selection_of", counted)
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
    made: list[weakref.ref[OperationPlan]] = []

    class Watched(OperationPlan):
        def __init__(self) -> None:
            super().__init__()
            made.append(weakref.ref(self))

    monkeypatch.setattr(module, "OperationPlan", Watched)
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


def of(documents: Documents, text: str, **variables: Any) -> OperationPlan:
    document = documents.read(text)
    operation = document.operation_named(None).operation
    return document.operation_plan(operation, VariableValues({}, variables))


def test_only_so_many_sets_of_variables_are_kept_and_the_oldest_makes_room() -> None:
    documents = Documents(SCHEMA._schema)
    names = "abc"
    text = f"query({' '.join(f'${name}: Boolean!' for name in names)}) {{ {' '.join(f'{name}: __typename @skip(if: ${name})' for name in names)} }}"
    given = [dict(zip(names, f"{number:03b}", strict=True)) for number in range(MOST_VARIANTS + 1)]

    first, *others = [of(documents, text, **one) for one in given]

    assert [of(documents, text, **one) for one in given[1:]] == others
    assert of(documents, text, **given[0]) is not first


async def test_what_was_derived_goes_without_the_cyclic_collector(log: Database) -> None:
    documents = Documents(SCHEMA._schema, most=1)
    text = "{ viewer { id schools { name } } }"
    assert (await answer(fast(documents=documents), log, text))[1] == []
    gone = weakref.ref(of(documents, text))
    gc.collect()
    gc.disable()
    try:
        assert gone() is not None
        documents.read("{ __typename }")
        assert gone() is None
    finally:
        gc.enable()


def test_a_plan_is_a_document_to_graphql_core() -> None:
    document = Documents(SCHEMA._schema).read("{ __typename }")

    assert document.kind == DocumentNode.kind
    assert print_ast(document) == "{\n  __typename\n}"


async def test_a_document_of_one_schema_serves_another(log: Database) -> None:
    other = build()
    documents = Documents(SCHEMA._schema)
    text = f"query($first: Int) {{ {LIST} }}"

    answers = [
        await answer(fast(schema, documents), log, text) for schema in (SCHEMA, other, SCHEMA)
    ]

    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0]["messages"]["nodes"] == [{"subject": f"No. {one}"} for one in (3, 2, 1)]
