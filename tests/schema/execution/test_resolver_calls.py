"""Calls of resolvers: literal arguments are converted once, and calls that need Strawberry are left to it."""

from datetime import date
from typing import Any, Final, cast

import pytest
from graphql import FieldNode, GraphQLError, GraphQLField, GraphQLObjectType, parse
from graphql import OperationDefinitionNode as Operation
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.values import VariableValues, get_variable_values

from domain.status import MessageStatus
from resolvers.messages import MessageFilter, search
from resolvers.request.arguments import DateRange
from schema.contract import SCHEMA
from schema.execution.resolver_calls import Call, arguments_of, call_of
from tests.operations import EVER

TYPES: Final = SCHEMA._schema.type_map
DAYS: Final = '{from: "2020-01-01", to: "2020-01-31"}'


def asked(text: str) -> tuple[Operation, list[FieldDetails]]:
    """The only operation of a document, and the field that it begins with."""
    (operation,) = parse(text).definitions
    assert isinstance(operation, Operation)
    (node,) = operation.selection_set.selections
    assert isinstance(node, FieldNode)
    return operation, [FieldDetails(node, None)]


def field(of: str, name: str) -> GraphQLField:
    found: GraphQLField = cast(GraphQLObjectType, TYPES[of]).fields[name]
    return found


def call(text: str, *, of: str = "Query") -> Call | None:
    _, (details,) = asked(text)
    return call_of(SCHEMA._schema, cast(GraphQLObjectType, TYPES[of]), details)


def variables(operation: Operation, given: dict[str, Any]) -> VariableValues:
    values = get_variable_values(SCHEMA._schema, operation.variable_definitions or (), given)
    assert isinstance(values, VariableValues)
    return values


def test_arguments_that_are_spelled_out_are_those_of_the_resolver() -> None:
    found = call(
        f"{{ messages(createdBetween: {DAYS}, filter: {{status: [SENT], mine: true}}, first: 5) }}"
    )

    assert found is not None
    assert found.resolver is search
    assert found.arguments == {
        "created_between": DateRange(from_=date(2020, 1, 1), to=date(2020, 1, 31)),
        "filter": MessageFilter(status=[MessageStatus.SENT], mine=True),
        "first": 5,
    }


@pytest.mark.parametrize(
    "text",
    [
        f"query($n: Int) {{ messages(createdBetween: {DAYS}, first: $n) }}",
        '{ messages(createdBetween: {from: "2020-01-01", to: $day}) }',
        f"{{ messages(createdBetween: {DAYS}, filter: {{status: [SENT, $status]}}) }}",
        f"{{ messages(createdBetween: {DAYS}, orderBy: [{{field: STATUS, direction: $way}}]) }}",
    ],
)
def test_arguments_with_a_variable_anywhere_are_read_with_each_operation(text: str) -> None:
    found = call(text)

    assert found is not None
    assert found.arguments is None


def test_a_variable_is_read_as_a_literal_is() -> None:
    operation, (details,) = asked(
        "query($days: DateRange!, $n: Int = 7) { messages(createdBetween: $days, first: $n) }"
    )
    given = variables(operation, {"days": {"from": "2020-01-01", "to": "2020-01-31"}})

    assert arguments_of(SCHEMA._schema, field("Query", "messages"), details, given) == {
        "created_between": DateRange(from_=date(2020, 1, 1), to=date(2020, 1, 31)),
        "first": 7,
    }


@pytest.mark.parametrize(
    ("of", "text", "is_called"),
    [
        ("Query", "{ schools }", True),
        ("Message", "{ body }", True),
        ("Subscription", '{ messageChanged(id: "message.1") }', False),  # it has many answers
        ("Message", "{ subject }", False),  # it is in the record
        ("Message", "{ id }", False),  # and so is what this is made of
    ],
)
def test_only_what_has_to_be_awaited_once_is_called(of: str, text: str, is_called: bool) -> None:
    assert (call(text, of=of) is not None) == is_called


def test_an_invalid_literal_is_left_to_strawberry() -> None:
    with pytest.raises(GraphQLError):
        call(f'{{ messages(createdBetween: {EVER}, first: "many") }}')
