"""How a list is completed: which of the selected fields the records answer, and which are columns of their own.

A plan depends on what is selected and on nothing else of an operation, and is kept for the next one that selects the same.
"""

from collections import OrderedDict
from typing import Any, Final, NamedTuple

from graphql import GraphQLField, GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLOutputType

from resolvers.request.batch_resolver import Together
from schema.binding import Source, described, source_of
from schema.execution import codegen as completion
from schema.execution.codegen import Complete, completes
from schema.execution.selection import TYPENAME, Selected, Selection, Unforeseen

MOST_PLANS: Final = 500
"""The console and the mobile app select some dozens of things; whoever makes up new ones pushes out the oldest."""


class Column(NamedTuple):
    """A field of which all values are found before the objects are put together."""

    key: str
    name: str
    field: GraphQLField
    source: Source | Together[Any, ..., Any] | None
    completion: "Completion"


class Objects(NamedTuple):
    """How objects of one type are completed: first the columns, then all else from the records."""

    of: GraphQLObjectType
    record: type
    columns: tuple[Column, ...]
    assemble: Complete


class Completion(NamedTuple):
    """How values of a type are completed: by a function alone, or as `objects` that have columns."""

    of: GraphQLOutputType
    complete: Complete | None
    objects: Objects | None


class Plans:
    """The plans that were made, the last ones used; a key is what was selected, whose types it holds."""

    def __init__(self, most: int = MOST_PLANS) -> None:
        self._made: OrderedDict[tuple[GraphQLOutputType, Selection | None], Completion | None] = (
            OrderedDict()
        )
        self._most = most

    def __len__(self) -> int:
        return len(self._made)

    def plan(self, of: GraphQLOutputType, selection: Selection | None) -> Completion:
        """How values of the type `of` are completed of which this is selected. Raises `Unforeseen` where they cannot be."""
        key = (of, selection)
        if key in self._made:
            self._made.move_to_end(key)
        else:
            try:
                self._made[key] = plan(of, selection)
            except Unforeseen:
                self._made[key] = None
            if len(self._made) > self._most:
                self._made.popitem(last=False)
        made = self._made[key]
        if made is None:
            raise Unforeseen
        return made


def plan(of: GraphQLOutputType, selection: Selection | None) -> Completion:
    """How values of the type `of` are completed, of which `selection` is asked. Raises `Unforeseen`."""
    if selection is None:
        return Completion(of, completes(of, None), None)
    if described(selection.of) is None:
        raise Unforeseen
    if _is_in_record(selection):
        return Completion(of, completes(of, selection), None)
    return Completion(of, None, _objects(selection))


def _objects(selection: Selection) -> Objects:
    record = described(selection.of)
    if record is None:
        raise Unforeseen
    columns = tuple(
        _column(selection.of.fields[one.name], one)
        for one in selection.fields
        if not _answers(selection.of, one)
    )
    return Objects(
        selection.of,
        record,
        columns,
        completion.Objects(selection, frozenset(one.key for one in columns)),
    )


def _column(field: GraphQLField, one: Selected) -> Column:
    return Column(one.key, one.name, field, source_of(field), plan(field.type, one.below))


def _answers(of: GraphQLObjectType, one: Selected) -> bool:
    """Whether the record answers a field and all that is selected below it."""
    if one.name == TYPENAME:
        return True
    field = of.fields[one.name]
    return (
        isinstance(source_of(field), Source)
        and not field.args
        and (one.below is None or _is_in_record(one.below))
    )


def _is_in_record(selection: Selection) -> bool:
    return described(selection.of) is not None and all(
        _answers(selection.of, one) for one in selection.fields
    )


def is_list(of: GraphQLOutputType) -> bool:
    """Whether values of this type are lists; null or not."""
    inner = of.of_type if isinstance(of, GraphQLNonNull) else of
    return isinstance(inner, GraphQLList)
