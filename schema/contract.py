"""The schema: everything that can be asked, made once when this module is imported."""

from typing import Any, Final, cast

import strawberry
from graphql import (
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    Undefined,
)
from strawberry.types import ExecutionContext

from schema.errors import CodedErrors
from schema.parts import District, School
from schema.query import Query
from schema.types import Delivery, Message, Person, Recipient


class Contract(strawberry.Schema):
    """The schema; what goes wrong is told by `schema.errors`."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Nothing: Strawberry would write messages into the log, and messages can hold what a person typed."""


def build() -> strawberry.Schema:
    """The schema, as it is printed, and as it answers."""
    schema = Contract(
        Query,
        types=[District, School, Message, Person, Recipient, Delivery],
        extensions=[CodedErrors],
    )
    _say_nothing_of_absent_defaults(schema)
    return schema


def _say_nothing_of_absent_defaults(schema: strawberry.Schema) -> None:
    """An argument that may be left out is not printed with `= null`: leaving it out is the same."""
    for named in cast(Any, schema)._schema.type_map.values():
        if isinstance(named, GraphQLObjectType | GraphQLInterfaceType):
            arguments = [
                argument for field in named.fields.values() for argument in field.args.values()
            ]
        elif isinstance(named, GraphQLInputObjectType):
            arguments = list(named.fields.values())
        else:
            continue
        for argument in arguments:
            if argument.default_value is None:
                argument.default_value = Undefined


SCHEMA: Final = build()
