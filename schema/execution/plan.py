"""Plans the completion of a list: which fields are read from the records, and which are columns of their own.

A plan depends on the selection alone, and is cached for the next operation with the same selection.
"""

from collections import OrderedDict
from typing import Any, Final, NamedTuple

from graphql import GraphQLField, GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLOutputType

from resolvers.request.batch_resolver import BatchResolver
from schema.binding import Source, record_of, source_of
from schema.execution import codegen
from schema.execution.codegen import Complete, completer_of
from schema.execution.selection import TYPENAME, Selected, Selection, Unforeseen

MOST_PLANS: Final = 500
"""Clients use some dozens of selections; the plan that has not been used longest is dropped."""


class Column(NamedTuple):
    """A field whose values are all completed before the objects are built."""

    key: str
    name: str
    field: GraphQLField
    source: Source | BatchResolver[Any, ..., Any] | None
    completion: "Completion"


class ObjectPlan(NamedTuple):
    """How to complete objects of one type: the columns first, then the other fields from the records."""

    of: GraphQLObjectType
    record: type
    columns: tuple[Column, ...]
    assemble: Complete


class Completion(NamedTuple):
    """How to complete values of a type: by a function, or as `objects` with columns."""

    of: GraphQLOutputType
    complete: Complete | None
    objects: ObjectPlan | None


class Plans:
    """A cache of plans by type and selection."""

    def __init__(self, most: int = MOST_PLANS) -> None:
        self._made: OrderedDict[tuple[GraphQLOutputType, Selection | None], Completion | None] = (
            OrderedDict()
        )
        self._most = most

    def __len__(self) -> int:
        return len(self._made)

    def plan(self, of: GraphQLOutputType, selection: Selection | None) -> Completion:
        """How to complete values of the type `of` with this selection. Raises `Unforeseen` if graphql-core must do it."""
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
        completion = self._made[key]
        if completion is None:
            raise Unforeseen
        return completion


def plan(of: GraphQLOutputType, selection: Selection | None) -> Completion:
    """How to complete values of the type `of` with this selection. Raises `Unforeseen` if graphql-core must do it."""
    if selection is None:
        return Completion(of, completer_of(of, None), None)
    if record_of(selection.of) is None:
        raise Unforeseen
    if _is_in_record(selection):
        return Completion(of, completer_of(of, selection), None)
    return Completion(of, None, _objects(selection))


def _objects(selection: Selection) -> ObjectPlan:
    record = record_of(selection.of)
    if record is None:
        raise Unforeseen
    columns = tuple(
        _column(selection.of.fields[one.name], one)
        for one in selection.fields
        if not _answers(selection.of, one)
    )
    return ObjectPlan(
        selection.of,
        record,
        columns,
        codegen.ObjectCompleter(selection, frozenset(one.key for one in columns)),
    )


def _column(field: GraphQLField, one: Selected) -> Column:
    return Column(one.key, one.name, field, source_of(field), plan(field.type, one.below))


def _answers(of: GraphQLObjectType, one: Selected) -> bool:
    """Whether a field, and all that is selected below it, is read from the record."""
    if one.name == TYPENAME:
        return True
    field = of.fields[one.name]
    return (
        isinstance(source_of(field), Source)
        and not field.args
        and (one.below is None or _is_in_record(one.below))
    )


def _is_in_record(selection: Selection) -> bool:
    return record_of(selection.of) is not None and all(
        _answers(selection.of, one) for one in selection.fields
    )


def is_list(of: GraphQLOutputType) -> bool:
    """Whether values of this type are lists, nullable or not."""
    inner = of.of_type if isinstance(of, GraphQLNonNull) else of
    return isinstance(inner, GraphQLList)
