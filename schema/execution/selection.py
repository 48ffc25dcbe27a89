"""The selection of a type as a value; equal for operations that select the same fields.

Fragments, aliases and directives are resolved, since graphql-core has collected the fields. Arguments are left out, since
the result is built in the same way whatever they are.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from graphql import GraphQLNamedType, GraphQLObjectType, get_named_type, is_leaf_type
from graphql.execution.collect_fields import CollectedFields, FieldDetails

from schema.execution.fallbacks import Unforeseen

Collect = Callable[[GraphQLObjectType, list[FieldDetails]], CollectedFields]
"""graphql-core's function that collects the fields of a type below some others, with the variables of the request."""

TYPENAME: Final = "__typename"

MOST_FIELDS: Final = 1_000
"""A document of a hundred fragments can select millions of fields; larger selections are left to graphql-core."""


class Selected(NamedTuple):
    """A field, its key in the result, and its own selection unless it is a leaf."""

    key: str
    name: str
    below: "Selection | None"


class Selection(NamedTuple):
    """The selected fields of a type, in the order of the result."""

    of: GraphQLObjectType
    fields: tuple[Selected, ...]


def selection_of(of: GraphQLNamedType, details: list[FieldDetails], collect: Collect) -> Selection:
    """The selection of `of` below the fields in `details`.

    Raises `Unforeseen` if it depends on the records or has too many fields.
    """
    remaining = MOST_FIELDS

    def select(of: GraphQLNamedType, details: list[FieldDetails]) -> Selection:
        nonlocal remaining
        if not isinstance(of, GraphQLObjectType):
            raise Unforeseen("an interface or a union")
        grouped = collect(of, details).grouped_field_set
        remaining -= len(grouped)
        if remaining < 0:
            raise Unforeseen("too many fields")
        return Selection(of, tuple(selected(of, key, below) for key, below in grouped.items()))

    def selected(of: GraphQLObjectType, key: str, details: list[FieldDetails]) -> Selected:
        name = details[0].node.name.value
        if name == TYPENAME:
            return Selected(key, name, None)
        if name not in of.fields:
            raise Unforeseen("introspection")
        below = get_named_type(of.fields[name].type)
        return Selected(key, name, None if is_leaf_type(below) else select(below, details))

    return select(of, details)
