"""What an operation selects of a type, as a value: two operations that select the same have the same.

Fragments, aliases and directives are done with here, since graphql-core has collected the fields: what is left says which
fields there are under which keys. Arguments are left out, since they are no part of how an answer is built.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from graphql import GraphQLObjectType, GraphQLOutputType, get_named_type, is_leaf_type
from graphql.execution.collect_fields import CollectedFields, FieldDetails

T = TypeVar("T")

Collect = Callable[[GraphQLObjectType, list[FieldDetails]], CollectedFields]
"""graphql-core's: the fields of a type that are selected below some others, with this request's variables."""

TYPENAME: Final = "__typename"

MOST_FIELDS: Final = 1_000
"""A document of a hundred fragments can select millions of fields; beyond this it is answered as far as there are objects."""


class Selected(NamedTuple):
    """A field, the key under which it is answered, and what is selected of it if it is no leaf."""

    key: str
    name: str
    below: "Selection | None"


class Selection(NamedTuple):
    """The fields that are selected of a type, in the order of the answer."""

    of: GraphQLObjectType
    fields: tuple[Selected, ...]


class Unforeseen(Exception):
    """The ordinary way has to be gone. Whatever it leads to, it leads to it in its place."""


def selection_of(of: GraphQLObjectType, details: list[FieldDetails], collect: Collect) -> Selection:
    """What is selected of `of` below the fields in `details`. Raises `Unforeseen` where that cannot be said beforehand."""
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

    def below(given: GraphQLOutputType, details: list[FieldDetails]) -> Selection | None:
        named = get_named_type(given)
        if is_leaf_type(named):
            return None
        if not isinstance(named, GraphQLObjectType):
            raise Unforeseen  # of an interface or a union, each object says what it is
        return select(named, details)

    return select(of, details)
