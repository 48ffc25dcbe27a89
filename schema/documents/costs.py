"""Computes the cost of an operation: the objects that it may return, in time linear in its document.

Each fragment is measured once. `schema.documents.limits` limits documents, `server.graphql.rate_budget` what a viewer spends.
"""

from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, Final, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)

from db.search.saved_searches import MOST as MOST_SAVED
from domain.call_status import CALL_STATUSES
from domain.errors import TooComplex
from domain.paging import PAGE_LIMIT
from resolvers.messages import MOST_SENDERS
from schema.documents.limits import format_number, fragments_of

USUAL: Final = 5
"""Objects in a list without a page size, such as the deliveries of a recipient: about the average in a log."""

GROUPED: Final = 100
"""Objects in a list that is grouped, such as the figures of a year by month and school; reading them takes as long as a page."""

MOST_IDS: Final = 100
"""The limit of `nodes` and `cancelMessages`."""

LONG: Final = {
    "LogChange.changed": 100,
    "MessageFacets.senders": MOST_SENDERS,
    "Query.callStatuses": len(CALL_STATUSES),
    "Query.savedSearches": MOST_SAVED,
}
"""The most objects in a list that may be longer than usual."""

IDS: Final = ("ids", "messageIds")
"""The arguments, and the fields of `input`, that have an id for each object of a list."""

MOST_SIZES: Final = 16
"""Sizes for which the cost of an operation is cached; clients use few page sizes."""


class _Cost(NamedTuple):
    """Objects that a selection may return: `fixed`, and `each` per row of its page."""

    fixed: int = 0
    each: int = 0


class Costs:
    """Computes the costs of operations on a schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._introspected = _sizes_of_introspection(schema)

    def of(self, document: DocumentNode, operation: OperationDefinitionNode) -> "OperationCost":
        """The cost of one operation of a document."""
        root = self._schema.get_root_type(operation.operation)
        fragments = fragments_of(document)

        def measure(variables: Mapping[str, Any]) -> tuple[int, Set[str]]:
            walk = _Walk(self._schema, self._introspected, fragments, variables)
            return walk.of(operation.selection_set, root).fixed, walk.sizing

        return OperationCost(operation, measure)


class OperationCost:
    """The cost of one operation: computed once for each combination of sizes in its variables."""

    def __init__(
        self,
        operation: OperationDefinitionNode,
        measure: Callable[[Mapping[str, Any]], tuple[int, Set[str]]],
    ) -> None:
        """`measure` returns the cost with some variables, and the variables it depends on, which are always the same."""
        self._measure = measure
        self._defaults = {
            defined.variable.name.value: _literal(defined.default_value, {})
            for defined in operation.variable_definitions or ()
        }
        self._sizing: Set[str] | None = None
        self._costs: dict[tuple[object, ...], int] = {}

    def with_variables(self, variables: Mapping[str, Any] | None) -> int:
        """The most objects that it can return; a page without a size counts as the largest."""
        values = {**self._defaults, **(variables or {})}
        if self._sizing is not None:
            cost = self._costs.get(self._sizes(values))
            if cost is not None:
                return cost
        cost, self._sizing = self._measure(values)
        if len(self._costs) >= MOST_SIZES:
            self._costs.clear()
        self._costs[self._sizes(values)] = cost
        return cost

    def _sizes(self, values: Mapping[str, Any]) -> tuple[object, ...]:
        return tuple(_size(values.get(name)) for name in self._sizing or ())


class _Walk:
    """Measures one operation; each fragment once."""

    def __init__(
        self,
        schema: GraphQLSchema,
        introspected: Mapping[str, int],
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        self._schema = schema
        self._introspected = introspected
        self._fragments = fragments
        self._variables = variables
        self._costs: dict[str, _Cost] = {}
        self.sizing: set[str] = set()
        """The variables that contain sizes."""

    def of(self, selections: SelectionSetNode, parent: GraphQLNamedType | None) -> _Cost:
        """The cost of a selection on one object."""
        fixed = each = 0
        for node in selections.selections:
            if isinstance(node, FieldNode):
                cost = self._of_field(node, parent)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                on = self._schema.get_type(condition.name.value) if condition else parent
                cost = self.of(node.selection_set, on)
            else:
                assert isinstance(node, FragmentSpreadNode), node
                cost = self._of_fragment(node.name.value)
            fixed += cost.fixed
            each += cost.each
        return _Cost(fixed, each)

    def _of_fragment(self, name: str) -> _Cost:
        if name not in self._costs:
            self._costs[name] = _Cost()  # placeholder: validation refuses a cycle
            if fragment := self._fragments.get(name):
                on = self._schema.get_type(fragment.type_condition.name.value)
                self._costs[name] = self.of(fragment.selection_set, on)
        return self._costs[name]

    def _of_field(self, node: FieldNode, parent: GraphQLNamedType | None) -> _Cost:
        if node.selection_set is None:
            return _Cost()
        defined = _defined(self._schema, parent, node.name.value)
        below = self.of(node.selection_set, get_named_type(defined.type) if defined else None)
        if defined is None or not is_composite_type(get_named_type(defined.type)):
            return _Cost(1 + below.fixed)
        if not is_list_type(get_nullable_type(defined.type)):
            # A connection: a list in it has as many rows as the page.
            rows = self._size(node, defined, most=PAGE_LIMIT) if "first" in defined.args else 1
            return _Cost(1 + below.fixed + below.each * rows)
        if "pageInfo" in getattr(parent, "fields", ()):
            return _Cost(0, 1 + below.fixed)
        return _Cost(self._rows(node, defined, parent) * (1 + below.fixed))

    def _size(self, node: FieldNode, defined: GraphQLField, *, most: int) -> int:
        """The number of objects that `first` or `last` asks for; without them the default of `first`, or `most`."""
        given = [
            self._value_of(argument.value)
            for argument in node.arguments or ()
            if argument.name.value in ("first", "last")
        ]
        usual = defined.args["first"].default_value
        # An invalid size is refused by the resolver; it must not lower the cost.
        sizes = [size if 0 <= size <= most else most for size in given if type(size) is int]
        return max(sizes, default=usual if type(usual) is int else most)

    def _rows(self, node: FieldNode, defined: GraphQLField, parent: GraphQLNamedType | None) -> int:
        """The number of objects in a list that is not paged."""
        name = "" if parent is None else f"{parent.name}.{node.name.value}"
        if name.startswith("__"):
            return self._introspected.get(name, USUAL)
        most = LONG.get(name, USUAL)
        if "first" in defined.args:
            return self._size(node, defined, most=most)
        for argument in node.arguments or ():
            if argument.name.value == "groupBy":
                return GROUPED
            if argument.name.value in (*IDS, "input"):
                ids = self._value_of(argument.value)
                if isinstance(ids, dict):
                    ids = next((ids[name] for name in IDS if name in ids), None)
                return min(len(ids), MOST_IDS) if isinstance(ids, list) else 1
        return most

    def _value_of(self, node: object) -> object:
        if isinstance(node, VariableNode):
            self.sizing.add(node.name.value)
        if isinstance(node, ObjectValueNode):
            return {field.name.value: self._value_of(field.value) for field in node.fields}
        return _literal(node, self._variables)


def check_cost(cost: int, most: int) -> None:
    """Pass if the cost of an operation is within the limit. Raises `TooComplex`."""
    if cost > most:
        raise TooComplex(
            f"The operation may return {format_number(cost)} objects; {most} are allowed. Give `first` at each list, "
            "and ask for fewer or for less of each."
        )


def _literal(node: object, variables: Mapping[str, Any]) -> object:
    """The value of an argument that is a number or a list; None for others."""
    if isinstance(node, VariableNode):
        return variables.get(node.name.value)
    if isinstance(node, IntValueNode):
        return int(node.value) if len(node.value) < 10 else None
    return list(node.values) if isinstance(node, ListValueNode) else None


def _size(value: object) -> object:
    """The part of a value that the cost depends on; None if it is not a size."""
    if type(value) is int:
        return int, value
    if isinstance(value, dict):
        return tuple(size for name in IDS if (size := _size(value.get(name)))) or None
    return (list, len(value)) if isinstance(value, list) else None


def _defined(
    schema: GraphQLSchema, parent: GraphQLNamedType | None, name: str
) -> GraphQLField | None:
    if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
        return None
    return schema.get_field(parent, name)


def _sizes_of_introspection(schema: GraphQLSchema) -> Mapping[str, int]:
    """The average length of each list of the introspection."""
    types = list(schema.type_map.values())
    fields = [field for type_ in types for field in _fields(type_)]
    values = [value for type_ in types for value in getattr(type_, "values", ())]
    arguments = sum(len(field.args) for field in fields)
    inputs = sum(len(getattr(type_, "fields", ())) for type_ in types) - len(fields)

    def average(number: int, of: int) -> int:
        return -(-number // max(of, 1))

    return {
        "__Schema.types": len(types),
        "__Schema.directives": len(schema.directives),
        "__Type.fields": average(len(fields), len(types)),
        "__Type.inputFields": average(inputs, len(types)),
        "__Type.enumValues": average(len(values), len(types)),
        "__Type.interfaces": 1,
        "__Type.possibleTypes": 1,
        "__Field.args": average(arguments, len(fields)),
        "__Directive.args": 2,
    }


def _fields(of: GraphQLNamedType) -> Iterator[GraphQLField]:
    if isinstance(of, GraphQLObjectType | GraphQLInterfaceType):
        yield from of.fields.values()
