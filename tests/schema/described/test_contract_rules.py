"""The rules of the contract for descriptions, names and shapes."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast

import pytest
from graphql import (
    DEFAULT_DEPRECATION_REASON,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    get_named_type,
)

from schema.contract import SCHEMA
from schema.described import descriptions
from schema.described.descriptions import describe, elements_of

CONTRACT: Final = cast(GraphQLSchema, cast(Any, SCHEMA)._schema)
PASCAL: Final = re.compile(r"[A-Z][a-zA-Z0-9]*")
CAMEL: Final = re.compile(r"[a-z][a-zA-Z0-9]*")
UPPER: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
PAGE_INFO: Final = {
    "hasNextPage": "Boolean!",
    "hasPreviousPage": "Boolean!",
    "startCursor": "String",
    "endCursor": "String",
}
FORWARD: Final = {"first": "Int", "after": "String"}
BACKWARD: Final = {"last": "Int", "before": "String"}
PARTS: Final = ("Filter", "Order", "Range")
"""Inputs that several operations share end in one of these; the input of a mutation ends in Input."""


Broken = Iterator[str]
"""The coordinates that break a rule."""


def described(schema: GraphQLSchema) -> Broken:
    for coordinate, element in elements_of(schema):
        if not (element.description or "").strip():
            yield coordinate


def described_in_sentences(schema: GraphQLSchema) -> Broken:
    for coordinate, element in elements_of(schema):
        text = element.description
        is_scalar = isinstance(element, GraphQLScalarType)  # described by Strawberry
        if text and not is_scalar and not re.fullmatch(r"[A-Z0-9`].*\.", text, re.DOTALL):
            yield coordinate


def named_by_kind(schema: GraphQLSchema) -> Broken:
    for coordinate, element in elements_of(schema):
        name = re.split(r"[.(]", coordinate.rstrip(":)"))[-1]
        parent = schema.type_map[coordinate.split(".")[0]]
        is_value = "." in coordinate and isinstance(parent, GraphQLEnumType)
        pattern = PASCAL if element is parent else UPPER if is_value else CAMEL
        if not pattern.fullmatch(name):
            yield coordinate


def objects(schema: GraphQLSchema) -> Iterator[GraphQLObjectType | GraphQLInterfaceType]:
    for one in schema.type_map.values():
        if isinstance(one, GraphQLObjectType | GraphQLInterfaceType) and one.name[:2] != "__":
            yield one


def shape(made: GraphQLObjectType | GraphQLInterfaceType) -> dict[str, str]:
    return {name: str(field.type) for name, field in made.fields.items()}


def connections_have_edges_nodes_and_page_info(schema: GraphQLSchema) -> Broken:
    for made in objects(schema):
        if made.name.endswith("Connection"):
            fields, edge = shape(made), made.name.removesuffix("Connection") + "Edge"
            node = None
            if isinstance(found := schema.type_map.get(edge), GraphQLObjectType):
                node = shape(found).get("node")
            expected = {"edges": f"[{edge}!]!", "nodes": f"[{node}]!", "pageInfo": "PageInfo!"}
            if not expected.items() <= fields.items():
                yield made.name


def edges_have_a_cursor_and_a_node(schema: GraphQLSchema) -> Broken:
    for made in objects(schema):
        if made.name.endswith("Edge"):
            fields = shape(made)
            if fields.get("cursor") != "String!" or "node" not in fields:
                yield made.name


def page_info_is_that_of_relay(schema: GraphQLSchema) -> Broken:
    made = schema.type_map.get("PageInfo")
    if not isinstance(made, GraphQLObjectType) or shape(made) != PAGE_INFO:
        yield "PageInfo"


def connections_are_paged(schema: GraphQLSchema) -> Broken:
    for made in objects(schema):
        for name, field in made.fields.items():
            if get_named_type(field.type).name.endswith("Connection"):
                given = {argument: str(taken.type) for argument, taken in field.args.items()}
                forward, backward = (
                    {argument: given[argument] for argument in which if argument in given}
                    for which in (FORWARD, BACKWARD)
                )
                if forward != FORWARD or backward not in ({}, BACKWARD):
                    yield f"{made.name}.{name}"


def nodes_have_an_id(schema: GraphQLSchema) -> Broken:
    for made in objects(schema):
        is_node = any(one.name == "Node" for one in made.interfaces) or made.name == "Node"
        if is_node and shape(made).get("id") != "ID!":
            yield made.name


def inputs_are_named_as_such(schema: GraphQLSchema) -> Broken:
    for made in schema.type_map.values():
        if isinstance(made, GraphQLInputObjectType):
            is_named_so = made.name.endswith(("Input", *PARTS))
        else:
            is_named_so = not made.name.endswith("Input")
        if not is_named_so:
            yield made.name


PRIVATE: Final = {"saveSearch", "deleteSavedSearch"}
"""Mutations of what is the viewer's alone: no rule refuses them, so they have no union of results."""


def mutations_take_an_input_and_give_a_result(schema: GraphQLSchema) -> Broken:
    mutations = schema.mutation_type.fields if schema.mutation_type else {}
    for name, field in mutations.items():
        verb = name[0].upper() + name[1:]
        arguments = {argument: str(taken.type) for argument, taken in field.args.items()}
        one = name.removesuffix("s")
        if one != name and one in mutations and arguments == {"input": f"{verb}Input!"}:
            # Many at once: for each the result of the mutation of one.
            if str(field.type) != f"[{mutations[one].type}]!":
                yield f"Mutation.{name}"
            continue
        if name in PRIVATE:
            continue
        if arguments != {"input": f"{verb}Input!"} or str(field.type) != f"{verb}Result!":
            yield f"Mutation.{name}"
            continue
        result = get_named_type(field.type)
        if not isinstance(result, GraphQLUnionType):
            yield result.name
            continue
        success, *refusals = result.types
        refused = [
            one for one in refusals if [face.name for face in one.interfaces] == ["UserError"]
        ]
        if success.name != f"{verb}Success" or not refusals or refused != refusals:
            yield result.name


def deprecations_say_what_to_use(schema: GraphQLSchema) -> Broken:
    for coordinate, element in elements_of(schema):
        reason = getattr(element, "deprecation_reason", None)
        if reason is not None and reason.strip() in ("", DEFAULT_DEPRECATION_REASON):
            yield coordinate


RULES: Final[Sequence[Callable[[GraphQLSchema], Broken]]] = (
    described,
    described_in_sentences,
    named_by_kind,
    connections_have_edges_nodes_and_page_info,
    edges_have_a_cursor_and_a_node,
    page_info_is_that_of_relay,
    connections_are_paged,
    nodes_have_an_id,
    inputs_are_named_as_such,
    mutations_take_an_input_and_give_a_result,
    deprecations_say_what_to_use,
)

BAD: Final = build_schema(
    '''
    type Query { old: Int @deprecated things(first: Int): thingConnection named(Word: Int): Int }
    """not a sentence"""
    type thingConnection { nodes: [Int] }
    type ThingEdge { node: Int }
    type PageInfo { hasNextPage: Boolean! }
    interface Node { id: String }
    """An output."""
    type ThingInput implements Node { id: String }
    input Options { a: Int }
    input MakeInput { a: Int }
    input FailInput { a: Int }
    input DropsInput { a: Int }
    enum Colour { red LIGHT_RED }
    type MakeSuccess { a: Int }
    type Mutation { make(input: MakeInput!): MakeResult! drop(id: ID!): Int drops(input: DropsInput!): [Int] fail(input: FailInput!): FailResult! }
    union MakeResult = MakeSuccess
    union FailResult = MakeSuccess | PageInfo
    '''
)
FINDS: Final = {
    "described": {"Colour.red", "Query.things(first:)", "MakeResult", "Options"},
    "described_in_sentences": {"thingConnection"},
    "named_by_kind": {"thingConnection", "Colour.red", "Query.named(Word:)"},
    "connections_have_edges_nodes_and_page_info": {"thingConnection"},
    "edges_have_a_cursor_and_a_node": {"ThingEdge"},
    "page_info_is_that_of_relay": {"PageInfo"},
    "connections_are_paged": {"Query.things"},
    "nodes_have_an_id": {"Node", "ThingInput"},
    "inputs_are_named_as_such": {"ThingInput", "Options"},
    "mutations_take_an_input_and_give_a_result": {
        "MakeResult",
        "Mutation.drop",
        "Mutation.drops",
        "FailResult",
    },
    "deprecations_say_what_to_use": {"Query.old"},
}
"""What each rule finds in `BAD`: of `described`, among others."""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_contract_keeps_the_rule(rule: Callable[[GraphQLSchema], Broken]) -> None:
    assert list(rule(CONTRACT)) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_contract_that_breaks_the_rule_is_noticed(
    rule: Callable[[GraphQLSchema], Broken],
) -> None:
    found = set(rule(BAD))

    expected = FINDS[rule.__name__]
    assert expected <= found if rule is described else found == expected


def test_every_printed_description_is_the_one_that_introspection_gives() -> None:
    printed = dict(elements_of(build_schema(SCHEMA.as_str())))

    assert {coordinate: one.description for coordinate, one in elements_of(CONTRACT)} == {
        coordinate: one.description for coordinate, one in printed.items()
    }


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"Query.b": "The b."}, "The schema has no Query.b, so it cannot be described."),
        ({"Query.a": "The a."}, "Query.a has a description already: remove one of the two."),
    ],
)
def test_a_description_that_cannot_be_set_is_an_error(
    monkeypatch: pytest.MonkeyPatch, texts: dict[str, str], said: str
) -> None:
    for table in ("TYPES", "ARGUMENTS", "VALUES"):
        monkeypatch.setattr(descriptions, table, {})
    monkeypatch.setattr(descriptions, "FIELDS", texts)

    with pytest.raises(LookupError, match=re.escape(said)):
        describe(build_schema('type Query { "Known." a: Int }'))
