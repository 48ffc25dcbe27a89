"""Caches the collected fields of an operation with the text of its document.

They depend on the document, the types, and the variables of `@skip` and `@include`. The cache holds nothing else of a
request: no value of another variable, no record, no viewer.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    Source,
    VariableNode,
)
from graphql.execution.collect_fields import CollectedFields, FieldDetails, GroupedFieldSet
from graphql.execution.values import VariableValues

from schema.execution.resolver_calls import Call, call_of
from schema.execution.selection import Collect, Selection, Unforeseen, selection_of

MOST_COLLECTED: Final = 4
"""Variants of one document, enough for two optional parts; the oldest is dropped."""


class Collected:
    """The collected fields of one operation for one set of deciding variables, and what is derived from them.

    Keys are ids of lists and nodes that this object or the document keeps alive, so no id is reused.
    """

    def __init__(self) -> None:
        self._roots: dict[GraphQLObjectType, GroupedFieldSet] = {}
        self._held: set[int] = set()
        self.below: dict[tuple[GraphQLObjectType, int], CollectedFields] = {}
        """The fields of a type, by the list of fields above them."""
        self._selections: dict[tuple[GraphQLObjectType, tuple[int, ...]], Selection | None] = {}
        self._calls: dict[int, Call | None] = {}

    def root(self, of: GraphQLObjectType, fields: GroupedFieldSet) -> GroupedFieldSet:
        """The root fields as they were collected first, on whose identity the cache is based."""
        if of not in self._roots:
            self._roots[of] = fields
            self._hold(fields)
        return self._roots[of]

    def collect(
        self, of: GraphQLObjectType, details: list[FieldDetails], collect: Collect
    ) -> CollectedFields:
        """The fields of a type below some others; cached if those are."""
        collected_fields = collect(of, details)
        if id(details) in self._held:
            self.below[of, id(details)] = collected_fields
            self._hold(collected_fields.grouped_field_set)
        return collected_fields

    def selection(
        self, of: GraphQLObjectType, nodes: Sequence[FieldNode], collect: Collect
    ) -> Selection:
        """The selection of a type below some fields. Raises `Unforeseen` if it has none."""
        key = (of, tuple(map(id, nodes)))
        if key not in self._selections:
            details = [FieldDetails(node, None) for node in nodes]
            try:
                self._selections[key] = selection_of(of, details, collect)
            except Exception:
                self._selections[key] = None
        collected_fields = self._selections[key]
        if collected_fields is None:
            raise Unforeseen
        return collected_fields

    def call(
        self, schema: GraphQLSchema, field: GraphQLField, details: list[FieldDetails]
    ) -> Call | None:
        """The call of a field's resolver; None if Strawberry must call it, and report its errors."""
        key = id(details)
        if key in self._calls:
            return self._calls[key]
        try:
            call = call_of(schema, field, details[0])
        except Exception:
            call = None
        if key in self._held:
            self._calls[key] = call
        return call

    def _hold(self, fields: GroupedFieldSet) -> None:
        self._held.update(map(id, fields.values()))


class Text(Source):
    """The text of a document, to which each of its nodes refers; the cache lives as long as the document."""

    def __init__(self, body: str) -> None:
        super().__init__(body)
        self._deciding: tuple[str, ...] | None = None
        self._kept: dict[tuple[object, ...], Collected] = {}

    def keep(self, document: DocumentNode) -> None:
        """Start caching for this valid document."""
        self._deciding = tuple(sorted(set(_deciding(document))))

    def forget(self) -> None:
        """Clear the cache: cached fields refer to their text, a cycle that only the cyclic collector would free."""
        self._deciding = None
        self._kept.clear()

    def collected(self, place: int, variables: VariableValues) -> Collected:
        """The collected fields of the operation that begins at this position, with these variables."""
        if self._deciding is None:
            return Collected()
        key = (place, *(variables.coerced.get(name) for name in self._deciding))
        collected_fields = self._kept.get(key)
        if collected_fields is None:
            while len(self._kept) >= MOST_COLLECTED:
                del self._kept[next(iter(self._kept))]
            collected_fields = self._kept[key] = Collected()
        return collected_fields


def collected(operation: OperationDefinitionNode, variables: VariableValues) -> Collected:
    """The collected fields of an operation with these variables; empty for a document that is not cached."""
    place = operation.loc
    if place is None or not isinstance(place.source, Text):
        return Collected()
    return place.source.collected(place.start, variables)


def _deciding(document: DocumentNode) -> Iterator[str]:
    """The variables in directives of fields and fragments."""
    waiting = [
        one.selection_set
        for one in document.definitions
        if isinstance(one, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    while waiting:
        for node in waiting.pop().selections:
            for directive in node.directives or ():
                for argument in directive.arguments or ():
                    if isinstance(argument.value, VariableNode):
                        yield argument.value.name.value
            if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set:
                waiting.append(node.selection_set)
