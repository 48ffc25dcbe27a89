"""The limits of an operation, and that a refusal is fast, however the document is written."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import pytest
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    OperationDefinitionNode,
    SelectionSetNode,
    get_introspection_query,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import LogError, TooComplex
from schema.contract import SCHEMA
from schema.documents.costs import _Walk
from schema.documents.documents import Documents
from schema.documents.limits import LIMITS, Limits, _Shapes, check_shape
from tests.schema.documents.excessive import DAYS, EXCESSIVE, chain
from tests.tables import table


def cost(document: str, **variables: Any) -> int:
    prepared = documents().prepare(document, variables=variables, most=10**9)
    assert prepared is not None, "the document does not fit"
    return prepared.cost


def documents() -> Documents:
    """Documents of the real schema, none of them read before."""
    return Documents(SCHEMA._schema)


@pytest.mark.parametrize(("document", "refusal"), EXCESSIVE.values(), ids=EXCESSIVE)
def test_what_asks_for_too_much_is_refused_and_no_selection_is_looked_at_twice(
    document: str, refusal: type[LogError], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = Counter[SelectionSetNode]()
    for walk in (_Shapes, _Walk):
        of = walk.of

        def counted(self: Any, node: SelectionSetNode, *rest: Any, of: Any = of) -> Any:
            looked_at[node] += 1
            return of(self, node, *rest)

        monkeypatch.setattr(walk, "of", counted)
    fresh = documents()

    with pytest.raises(refusal):
        fresh.prepare(document)

    # Once for its shape, and once for its cost.
    assert max(looked_at.values(), default=0) <= 2
    assert len(fresh) <= 1


@pytest.mark.parametrize(
    "document",
    [
        "{" + "...{" * 1_000 + "id" + "}" * 1_001,
        "{ __schema { types { " + "fields { type { " * 8 + "name" + " } }" * 8 + " } } }",
    ],
)
def test_what_is_nested_without_end_does_not_fit(document: str) -> None:
    assert documents().prepare(document) is None


def test_graphiql_may_ask_for_the_whole_schema() -> None:
    text = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )

    assert 1_000 < cost(text) < LIMITS.cost


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("{ __typename }", 0),
        ("{ viewer { id } }", 1),
        ("{ viewer { district { id } } }", 2),
        ("{ schools { id } }", 5),
        (f"{{ messages({DAYS}, first: 10) {{ totalCount }} }}", 1),
        (f"{{ messages({DAYS}, first: 10) {{ nodes {{ id }} }} }}", 11),
        (f"{{ messages({DAYS}, last: 10) {{ edges {{ node {{ id }} }} pageInfo {{ endCursor }} }} }}", 22),
        (f"{{ messages({DAYS}) {{ nodes {{ id }} }} }}", 4_001),
        (f"{{ messages({DAYS}, first: 99999) {{ nodes {{ id }} }} }}", 4_001),
        (f"{{ messages({DAYS}, first: 0) {{ nodes {{ id }} }} }}", 1),
        (f"{{ messages({DAYS}, first: 3) {{ ...A ...A }} }} fragment A on MessageConnection {{ nodes {{ sender {{ id }} }} }}", 13),
        (f"{{ messages({DAYS}, first: 2) {{ nodes {{ recipients(first: 3) {{ nodes {{ deliveries {{ id }} }} }} }} }} }}", 1 + 2 * (1 + 1 + 3 * (1 + 5))),
        (f"{{ figures({DAYS}, groupBy: [DAY]) {{ messages school {{ id }} }} }}", 200),
        ('{ nodes(ids: ["a", "b"]) { id } }', 2),
        ('{ nodes(ids: "a") { id } }', 1),
        ('mutation { cancelMessages(input: {messageIds: ["a", "b"]}) { ... on UserError { message } } }', 2),
        ('mutation { cancelMessages(input: {messageIds: "a"}) { ... on CancelMessageSuccess { canceledMessage { id } } } }', 2),
        (f"subscription {{ logChanged({DAYS}) {{ changed {{ id }} totalCount }} }}", 101),
        (f"{{ messages({DAYS}, first: 9) {{ facets {{ statuses {{ count }} }} }} }}", 7),
        (f"{{ messages({DAYS}, first: 9) {{ facets {{ senders {{ count }} }} }} }}", 22),
        (f"{{ messages({DAYS}, first: 9) {{ facets {{ senders(first: null) {{ count }} }} }} }}", 22),
        (f"{{ messages({DAYS}, first: 9) {{ facets {{ senders(first: 3) {{ sender {{ id }} }} }} }} }}", 8),
        (f"{{ messages({DAYS}, first: 9) {{ facets {{ senders(first: 101) {{ count }} }} }} }}", 102),
    ],
)  # fmt: skip
def test_the_cost_is_the_objects_that_may_come(document: str, expected: int) -> None:
    assert cost(document) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, 8), ({"n": 2}, 3), ({"n": None}, 4_001), ({"n": "2"}, 4_001), ({"n": -1}, 4_001)],
)
def test_a_size_may_be_a_variable(given: dict[str, Any], expected: int) -> None:
    text = f"query($n: Int = 7) {{ messages({DAYS}, first: $n) {{ nodes {{ id }} }} }}"

    assert cost(text, **given) == expected


def lists() -> dict[str, tuple[GraphQLObjectType, GraphQLField]]:
    """The fields of the contract that are connections or lists of objects, but for what is in a connection."""
    return {
        f"{type_.name}.{name}": (type_, field)
        for type_ in SCHEMA._schema.type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        if "pageInfo" not in type_.fields
        for name, field in type_.fields.items()
        if is_composite_type(get_named_type(field.type))
        if "first" in field.args or is_list_type(get_nullable_type(field.type))
    }


def cost_of(place: str, arguments: str = "") -> int:
    """The cost of one field with these arguments, without anything around it."""
    type_, field = lists()[place]
    is_list = is_list_type(get_nullable_type(field.type))
    below = "{ __typename }" if is_list else "{ edges { __typename } }"
    document = parse(f"{{ {place.partition('.')[2]}{arguments} {below} }}")
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    return _Walk(SCHEMA._schema, {}, {}, {}).of(operation.selection_set, type_).fixed


def ids_in(arguments: Mapping[str, Any]) -> set[str]:
    """The arguments, and the fields of an argument that is an input, with a list of ids; as `name` or `name.field`."""
    found = set[str]()
    for name, argument in arguments.items():
        named = get_named_type(argument.type)
        if named.name == "ID" and is_list_type(get_nullable_type(argument.type)):
            found.add(name)
        found |= {f"{name}.{inner}" for inner in ids_in(getattr(named, "fields", {}))}
    return found


@pytest.mark.parametrize("place", lists())
def test_each_argument_that_sizes_a_list_is_in_its_cost(place: str) -> None:
    _, field = lists()[place]
    sizes = {name for name, one in field.args.items() if get_named_type(one.type).name == "Int"}
    is_list = is_list_type(get_nullable_type(field.type))

    assert sizes <= {"first", "last"}
    for name in sizes:
        assert cost_of(place, f"({name}: 19)") - cost_of(place, f"({name}: 3)") == 16
    for name in ids_in(field.args) - FILTERS if is_list else ():
        argument, _, inner = name.partition(".")
        for count in (3, 19):
            ids = json.dumps(["a"] * count)
            given = f"{{{inner}: {ids}}}" if inner else ids
            assert cost_of(place, f"({argument}: {given})") == count


FILTERS: Final = {"filter.schoolIds"}
"""Lists of ids that select objects, and do not say how many come."""

LENGTHS: Final = """
    Address.people           | 5
    Delivery.events          | 5
    DeliverySummary.tallies  | 5
    LogChange.changed        | 100
    Message.filterCriteria   | 5
    Message.outcomes         | 5
    Message.waitsFor         | 5
    MessageFacets.schools    | 5
    MessageFacets.senders    | 20
    MessageFacets.statuses   | 5
    MessageFacets.types      | 5
    Person.addresses         | 5
    Person.students          | 5
    Query.callStatuses       | 51
    Query.messageTypes       | 5
    Query.savedSearches      | 100
    Query.schools            | 5
    Recipient.deliveries     | 5
    Student.contacts         | 5
    System.providers         | 5
    System.workers           | 5
    Viewer.schools           | 5
"""
"""The objects of each list without a size: five if no limit of it is known. A new list needs a row, and so a decision."""

BY_ARGUMENT: Final = {"Mutation.cancelMessages", "Query.figures", "Query.nodes"}
"""Lists whose required argument decides."""


def test_a_list_without_a_size_counts_as_the_most_that_it_may_have() -> None:
    counted = {
        place: cost_of(place)
        for place, (_, field) in lists().items()
        if is_list_type(get_nullable_type(field.type)) and place not in BY_ARGUMENT
    }

    assert counted == {place.strip(): int(length) for place, length in table(LENGTHS)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, 22), ({"n": 2}, 4), ({"n": None}, 22), ({"n": "2"}, 22), ({"n": -1}, 102)],
)
def test_the_size_of_a_list_that_is_no_connection_may_be_a_variable(
    given: dict[str, Any], expected: int
) -> None:
    facets = "facets { senders(first: $n) { count } }"
    text = f"query($n: Int) {{ messages({DAYS}, first: 1) {{ {facets} }} }}"

    assert cost(text, **given) == expected


def test_ids_may_be_a_variable() -> None:
    text = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"

    assert [cost(text, ids=["a"] * 7), cost(text, ids=["a"] * 101), cost(text)] == [7, 100, 1]


def test_ids_may_be_in_an_input() -> None:
    fields = "{ ... on UserError { message } }"
    whole = f"mutation($input: CancelMessagesInput!) {{ cancelMessages(input: $input) {fields} }}"
    part = f"mutation($ids: [ID!]!) {{ cancelMessages(input: {{messageIds: $ids}}) {fields} }}"

    for ids, expected in ((["a"] * 7, 7), (["a"] * 101, 100), (["a"], 1)):
        assert cost(whole, input={"messageIds": ids, "reason": "x"}) == expected
        assert cost(part, ids=ids) == expected
    assert [cost(whole), cost(whole, input={}), cost(part)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(depth=2), "3 levels"),
        (Limits(fields=4), "5 fields"),
        (Limits(aliases=1), "2 aliases"),
        (Limits(directives=1), "2 directives"),
        (Limits(root_fields=1), "2 root fields"),
        (Limits(collisions=0), "1 pairs of fields under one key"),
    ],
)
def test_a_refusal_says_the_value_the_limit_and_the_way_out(limits: Limits, what: str) -> None:
    document = parse(
        "{ a: viewer { ...V id @skip(if: false) } b: schools { id @skip(if: true) } }"
        " fragment V on Viewer { id district { id } }"
    )
    check_shape(document)

    with pytest.raises(TooComplex) as refused:
        check_shape(document, limits)

    number = next(
        iter(value for value, usual in zip(limits, LIMITS, strict=True) if value != usual)
    )
    assert refused.value.message == (
        f"The operation has {what}, with all fragments put in; {number} are allowed. "
        "Ask for less, or in several operations."
    )


@given(st.integers(1, 6), st.integers(1, 4))
def test_fragments_count_as_often_as_they_are_spread(levels: int, times: int) -> None:
    fields = 1 + times**levels
    document = parse(chain(levels, times))
    everything = Limits(fields=fields, collisions=10**9)

    if fields > 1:
        check_shape(document, everything)
        with pytest.raises(TooComplex):
            check_shape(document, everything._replace(fields=fields - 1))
