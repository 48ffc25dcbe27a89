"""The selection of a type as a value; equal for operations that select the same fields.

Fragments, aliases and directives are resolved, since graphql-core has collected the fields. Arguments are left out, since
the result is built in the same way whatever they are.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from graphql import GraphQLObjectType, GraphQLOutputType, get_named_type, is_leaf_type
from graphql.execution.collect_fields import CollectedFields, FieldDetails

T = TypeVar("T")

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


class Unforeseen(Exception):
    """Fall back to graphql-core, which reports any error in its place."""


def selection_of(of: GraphQLObjectType, details: list[FieldDetails], collect: Collect) -> Selection:
    """The selection of `of` below the fields in `details`. Raises `Unforeseen` if it depends on the records."""
    room = [MOST_FIELDS]

    def select(of: GraphQLObjectType, details: list[FieldDetails]) -> Selection:
        grouped = collect(of, details).grouped_field_set
        room[0] -= len(grouped)
        if room[0] < 0:
            raise Unforeseen
        return Selection(of, tuple(chosen(of, key, some) for key, some in grouped.items()))

    def chosen(of: GraphQLObjectType, key: str, details: list[FieldDetails]) -> Selected:
        name = details[0].node.name.value
        if any(one.defer_usage is not None for one in details):
            raise Unforeseen
        if name == TYPENAME:
            return Selected(key, name, None)
        field = of.fields.get(name)
        if field is None:
            raise Unforeseen
        return Selected(key, name, below(field.type, details))

    def below(type_: GraphQLOutputType, details: list[FieldDetails]) -> Selection | None:
        named = get_named_type(type_)
        if is_leaf_type(named):
            return None
        if not isinstance(named, GraphQLObjectType):
            raise Unforeseen  # of an interface or a union, the type depends on the object
        return select(named, details)

    return select(of, details)
