"""Documents are parsed, measured and validated once, and the cache is bounded."""

from collections.abc import Mapping
from typing import Any

import pytest
from graphql import DocumentNode, OperationDefinitionNode
from strawberry.extensions import SchemaExtension
from strawberry.types.graphql import OperationType

from db.connect.database import Database
from domain.errors import BadUserInput, TooComplex
from schema.contract import SCHEMA, Contract
from schema.documents import documents as module
from schema.documents.costs import MOST_SIZES, Costs, OperationCost
from schema.documents.documents import Documents
from schema.roots.query import Query
from tests.log import district, load
from tests.operations import ask, codes_and_messages, execute, refusals

SEVERAL = "query A { viewer { id } } query B { viewer { name } }"


def documents(**bounds: Any) -> Documents:
    return Documents(SCHEMA._schema, **bounds)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to documents, in its order; none has been read before."""
    monkeypatch.setattr(SCHEMA, "documents", documents())
    done: list[str] = []
    for name in ("parse", "validate_document"):
        original = getattr(module, name)

        def count(*args: Any, name: str = name, original: Any = original, **rest: Any) -> Any:
            done.append(name)
            return original(*args, **rest)

        monkeypatch.setattr(module, name, count)
    return done


async def test_a_document_is_parsed_and_validated_once(
    database: Database, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(database, district())
    monkeypatch.setattr("strawberry.schema.schema.parse", None)
    monkeypatch.setattr(
        "strawberry.schema.schema.validate_document", None
    )  # calling one of these fails the test
    text = "{ viewer { id name } } # read once"

    prepared = _prepare(text)
    answers = [await ask(database, text) for _ in range(2)]

    assert prepared == 1
    assert answers == [{"viewer": {"id": "u1", "name": "Administrator, System"}}] * 2
    assert reads == ["parse", "validate_document"]


def _prepare(text: str) -> int:
    prepared = SCHEMA.documents.prepare(text)
    assert prepared is not None
    return prepared.cost


async def test_a_document_that_does_not_fit_is_validated_once_too(
    database: Database, reads: list[str]
) -> None:
    await load(database, district())
    text = "{ unknown } # and never known"

    assert SCHEMA.documents.prepare(text) is None
    codes = [[code for code, _ in await refusals(database, text)] for _ in range(2)]

    assert codes == [["GRAPHQL_VALIDATION_FAILED"]] * 2
    assert reads == ["parse", "validate_document"]


def test_a_schema_with_extensions_is_refused_since_nothing_would_run_them() -> None:
    with pytest.raises(AssertionError):
        Contract(Query, extensions=[SchemaExtension])


async def test_nothing_is_executed_past_the_limits(database: Database) -> None:
    await load(database, district())

    result = await execute(database, "{" + "a:__typename " * 300 + "}")

    assert result.data is None
    assert [code for code, _ in codes_and_messages(result)] == ["TOO_COMPLEX"]


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [("{ viewer { id } }", None, None), (SEVERAL, "A", "A"), (SEVERAL, "B", "B")],
)
def test_the_operation_is_the_one_that_is_named_or_the_only_one(
    text: str, name: str | None, found: str | None
) -> None:
    operation = documents().read(text).operation_named(name).operation

    assert (operation.name.value if operation.name else None) == found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (SEVERAL, None),
        (SEVERAL, "C"),
        (SEVERAL, ""),
        ("{ viewer { id } } { viewer { name } }", None),
        ("query A { viewer { id } } query A { viewer { name } }", "A"),
        ("{ viewer { id } }", "A"),
        ("fragment F on Viewer { id }", None),
    ],
)
def test_where_it_is_not_plain_which_operation_is_meant_none_is(
    text: str, name: str | None
) -> None:
    with pytest.raises(BadUserInput):
        documents().prepare(text, name=name)


def test_the_last_documents_are_kept() -> None:
    kept = documents(most=2)
    first = kept.read("{ __typename }")
    kept.read("{ a: __typename }")
    assert kept.read("{ __typename }") is first
    kept.read("{ b: __typename }")

    assert len(kept) == 2
    assert kept.read("{ __typename }") is first


def test_long_documents_push_out_more_than_short_ones() -> None:
    kept = documents(most_characters=100)
    for one in range(6):
        kept.read(f"{{ a{one}: __typename }}")
    assert len(kept) == 5

    kept.read("{ __typename }".ljust(95))

    assert len(kept) == 1


def test_what_is_refused_is_not_kept() -> None:
    kept = documents()
    for _ in range(2):
        with pytest.raises(TooComplex):
            kept.read("{" + "a:__typename " * 300 + "}")

    assert len(kept) == 0


def test_a_cost_is_measured_once_for_the_sizes_that_variables_give() -> None:
    measured: list[Mapping[str, Any]] = []

    def measure(variables: Mapping[str, Any]) -> tuple[int, frozenset[str]]:
        measured.append(variables)
        return len(measured), frozenset({"first", "ids"})

    operation = documents().read(
        "query($first: Int = 5, $ids: [ID!], $other: String) { __typename }"
    )
    cost = OperationCost(operation.operation_named(None).operation, measure)
    given: list[Mapping[str, Any] | None] = [
        None,
        {},
        {"first": 5},
        {"first": 5, "other": "a"},
        {"first": 7},
        {"first": 5, "ids": ["a"]},
        {"first": 5, "ids": ["b"]},
        {"first": 5, "ids": ["b", "c"]},
        {"first": True},
        {"first": None},
        {"first": {"a": []}},
        {"first": 7, "ids": "a"},
    ]

    assert [cost.with_variables(one) for one in given] == [1, 1, 1, 1, 2, 3, 3, 4, 5, 5, 5, 2]
    assert measured[0] == {"first": 5, "ids": None, "other": None}


def test_the_costs_of_only_so_many_sizes_are_kept() -> None:
    operation = (
        documents().read("query($first: Int) { __typename }").operation_named(None).operation
    )
    measured: list[Any] = []

    def measure(variables: Mapping[str, Any]) -> tuple[int, frozenset[str]]:
        measured.append(variables["first"])
        return 1, frozenset({"first"})

    cost = OperationCost(operation, measure)
    for first in range(MOST_SIZES + 1):
        cost.with_variables({"first": first})

    assert len(measured) == MOST_SIZES + 1
    cost.with_variables({"first": MOST_SIZES})
    assert len(measured) == MOST_SIZES + 1
    cost.with_variables({"first": 0})
    assert len(measured) == MOST_SIZES + 2


def test_an_operation_that_is_prepared_again_is_measured_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[str] = []
    original = Costs.of

    def counted(costs: Costs, node: DocumentNode, operation: OperationDefinitionNode) -> Any:
        measured.append(operation.name.value if operation.name else "")
        return original(costs, node, operation)

    monkeypatch.setattr(Costs, "of", counted)
    kept = documents()

    prepared = [kept.prepare(SEVERAL, name=name) for name in ("A", "B", "A", "B")]

    assert prepared == [(OperationType.QUERY, 1)] * 4
    assert measured == ["A", "B"]
