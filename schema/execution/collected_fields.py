"""The fields of an operation, collected once and kept with the text of the document for whoever executes it again.

Which fields there are depends on the document, on the types, and on the variables of `@skip` and `@include`; nothing else of a
request is kept here: no value of a variable, no record, no viewer.
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
"""Of one document: an operation that shows or hides two of its parts. Beyond, the oldest makes room."""


class Collected:
    """The fields of one operation for one set of the variables that decide on them, and what was found out of them.

    Keys are addresses of lists that are held here and of nodes of the document, and so of nothing that has gone.
    """

    def __init__(self) -> None:
        self._roots: dict[GraphQLObjectType, GroupedFieldSet] = {}
        self._held: set[int] = set()
        self.below: dict[tuple[GraphQLObjectType, int], CollectedFields] = {}
        """The fields of a type, by the list of fields that they stand below."""
        self._selections: dict[tuple[GraphQLObjectType, tuple[int, ...]], Selection | None] = {}
        self._calls: dict[int, Call | None] = {}

    def root(self, of: GraphQLObjectType, fields: GroupedFieldSet) -> GroupedFieldSet:
        """The fields of the operation itself as they were collected first: what is found below these is kept."""
        if of not in self._roots:
            self._roots[of] = fields
            self._hold(fields)
        return self._roots[of]

    def collect(
        self, of: GraphQLObjectType, details: list[FieldDetails], collect: Collect
    ) -> CollectedFields:
        """The fields of a type below some others; kept if those are."""
        found = collect(of, details)
        if id(details) in self._held:
            self.below[of, id(details)] = found
            self._hold(found.grouped_field_set)
        return found

    def selection(
        self, of: GraphQLObjectType, nodes: Sequence[FieldNode], collect: Collect
    ) -> Selection:
        """What is selected of a type below some fields of the document. Raises `Unforeseen` where that cannot be said."""
        key = (of, tuple(map(id, nodes)))
        if key not in self._selections:
            details = [FieldDetails(node, None) for node in nodes]
            try:
                self._selections[key] = selection_of(of, details, collect)
            except Exception:
                self._selections[key] = None
        found = self._selections[key]
        if found is None:
            raise Unforeseen
        return found

    def call(
        self, schema: GraphQLSchema, field: GraphQLField, details: list[FieldDetails]
    ) -> Call | None:
        """How the resolver of a field is called; None where that is Strawberry's to do, and to tell what is wrong."""
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
    """The text of a document, which each of its nodes knows; what is kept here goes when the document goes."""

    def __init__(self, body: str) -> None:
        super().__init__(body)
        self._deciding: tuple[str, ...] | None = None
        self._kept: dict[tuple[object, ...], Collected] = {}

    def keep(self, document: DocumentNode) -> None:
        """Keep from now on what is collected of the document that this is the text of, and that is valid."""
        self._deciding = tuple(sorted(set(_deciding(document))))

    def forget(self) -> None:
        """Keep nothing any more: fields that are kept know their text, and only the cyclic collector would find them."""
        self._deciding = None
        self._kept.clear()

    def collected(self, place: int, variables: VariableValues) -> Collected:
        """What was collected of the operation that begins at a place of the text, with these variables."""
        if self._deciding is None:
            return Collected()
        key = (place, *(variables.coerced.get(name) for name in self._deciding))
        found = self._kept.get(key)
        if found is None:
            while len(self._kept) >= MOST_COLLECTED:
                del self._kept[next(iter(self._kept))]
            found = self._kept[key] = Collected()
        return found


def collected(operation: OperationDefinitionNode, variables: VariableValues) -> Collected:
    """What was collected of an operation with these variables; of a document that nobody keeps, nothing."""
    place = operation.loc
    if place is None or not isinstance(place.source, Text):
        return Collected()
    return place.source.collected(place.start, variables)


def _deciding(document: DocumentNode) -> Iterator[str]:
    """The variables of directives of fields and fragments."""
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
