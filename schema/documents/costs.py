"""What an operation costs: the objects that it may return, worked out in time linear in its document.

Each fragment is gone through once. What a document may hold is `schema.documents.limits`', and what a viewer may spend `server.graphql.rate_budget`'s.
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
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)

from domain.errors import TooComplex
from domain.paging import PAGE_LIMIT
from schema.documents.limits import fragments_of, spelled

USUAL: Final = 5
"""Objects in a list that nobody gives a size, such as the deliveries of a recipient: about what the log has of them."""

MOST_IDS: Final = 100
"""As many as `nodes` takes."""

MOST_SIZES: Final = 16
"""For which the cost of one operation is kept: clients ask for pages of a few sizes."""


class _Cost(NamedTuple):
    """Objects that a selection may return: `fixed`, and `each` for every row of the page it is selected on."""

    fixed: int = 0
    each: int = 0


class Costs:
    """What operations on one schema cost, as objects that may be returned."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._introspected = _sizes_of_introspection(schema)

    def of(self, document: DocumentNode, operation: OperationDefinitionNode) -> "OperationCost":
        """What one operation of a document costs."""
        root = self._schema.get_root_type(operation.operation)
        fragments = fragments_of(document)

        def measure(variables: Mapping[str, Any]) -> tuple[int, Set[str]]:
            walk = _Walk(self._schema, self._introspected, fragments, variables)
            return walk.of(operation.selection_set, root).fixed, walk.sizing

        return OperationCost(operation, measure)


class OperationCost:
    """What one operation costs: measured once, and once more for each new size that its variables give."""

    def __init__(
        self,
        operation: OperationDefinitionNode,
        measure: Callable[[Mapping[str, Any]], tuple[int, Set[str]]],
    ) -> None:
        """`measure` tells the cost with some variables, and which of them it looked at: the same ones each time."""
        self._measure = measure
        self._defaults = {
            one.variable.name.value: _literal(one.default_value, {})
            for one in operation.variable_definitions or ()
        }
        self._sizing: Set[str] | None = None
        self._found: dict[tuple[object, ...], int] = {}

    def given(self, variables: Mapping[str, Any] | None) -> int:
        """The most objects that it can return; a page without a size counts as the largest."""
        values = {**self._defaults, **(variables or {})}
        if self._sizing is not None:
            cost = self._found.get(self._sizes(values))
            if cost is not None:
                return cost
        cost, self._sizing = self._measure(values)
        if len(self._found) >= MOST_SIZES:
            self._found.clear()
        self._found[self._sizes(values)] = cost
        return cost

    def _sizes(self, values: Mapping[str, Any]) -> tuple[object, ...]:
        return tuple(_size(values.get(name)) for name in self._sizing or ())


class _Walk:
    """The costs of one operation; each fragment's is found once."""

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
        self._found: dict[str, _Cost] = {}
        self.sizing: set[str] = set()
        """The variables that say how many there are of something."""

    def of(self, selections: SelectionSetNode, parent: GraphQLNamedType | None) -> _Cost:
        """The cost of what is selected on one object."""
        fixed = each = 0
        for node in selections.selections:
            if isinstance(node, FieldNode):
                found = self._of_field(node, parent)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                on = self._schema.get_type(condition.name.value) if condition else parent
                found = self.of(node.selection_set, on)
            else:
                assert isinstance(node, FragmentSpreadNode), node
                found = self._of_fragment(node.name.value)
            fixed += found.fixed
            each += found.each
        return _Cost(fixed, each)

    def _of_fragment(self, name: str) -> _Cost:
        if name not in self._found:
            self._found[name] = _Cost()  # until it is found: validation refuses a cycle
            if fragment := self._fragments.get(name):
                on = self._schema.get_type(fragment.type_condition.name.value)
                self._found[name] = self.of(fragment.selection_set, on)
        return self._found[name]

    def _of_field(self, node: FieldNode, parent: GraphQLNamedType | None) -> _Cost:
        if node.selection_set is None:
            return _Cost()
        defined = _defined(self._schema, parent, node.name.value)
        below = self.of(node.selection_set, get_named_type(defined.type) if defined else None)
        if defined is None or not is_composite_type(get_named_type(defined.type)):
            return _Cost(1 + below.fixed)
        if not is_list_type(get_nullable_type(defined.type)):
            # A connection: what is a list in it has as many rows as the page.
            return _Cost(1 + below.fixed + below.each * self._page(node, defined))
        if "pageInfo" in getattr(parent, "fields", ()):
            return _Cost(0, 1 + below.fixed)
        return _Cost(self._rows(node, parent) * (1 + below.fixed))

    def _page(self, node: FieldNode, defined: GraphQLField) -> int:
        """Rows of the page that a field asks for; 1 where the field is no connection."""
        if "first" not in defined.args:
            return 1
        asked = [
            self._said(argument.value)
            for argument in node.arguments or ()
            if argument.name.value in ("first", "last")
        ]
        # What is no size is refused where it is used; until then it is no way around the limit.
        sizes = [size for size in asked if type(size) is int and 0 <= size <= PAGE_LIMIT]
        return max(sizes, default=PAGE_LIMIT)

    def _rows(self, node: FieldNode, parent: GraphQLNamedType | None) -> int:
        """Objects in a list that is no page."""
        if parent is not None and parent.name.startswith("__"):
            return self._introspected.get(f"{parent.name}.{node.name.value}", USUAL)
        for argument in node.arguments or ():
            if argument.name.value == "ids":
                ids = self._said(argument.value)
                return min(len(ids), MOST_IDS) if isinstance(ids, list) else 1
        return USUAL

    def _said(self, node: object) -> object:
        if isinstance(node, VariableNode):
            self.sizing.add(node.name.value)
        return _literal(node, self._variables)


def check_cost(cost: int, most: int) -> None:
    """Pass if an operation costs no more than one may. Raises `TooComplex`."""
    if cost > most:
        raise TooComplex(
            f"The operation may return {spelled(cost)} objects; {most} are allowed. Give `first` at each list, "
            "and ask for fewer or for less of each."
        )


def _literal(node: object, variables: Mapping[str, Any]) -> object:
    """What an argument says, where it is a number or a list; None otherwise."""
    if isinstance(node, VariableNode):
        return variables.get(node.name.value)
    if isinstance(node, IntValueNode):
        return int(node.value) if len(node.value) < 10 else None
    return list(node.values) if isinstance(node, ListValueNode) else None


def _size(value: object) -> tuple[type, int] | None:
    """What a measure looks at of a value; None where it is no size."""
    if type(value) is int:
        return int, value
    return (list, len(value)) if isinstance(value, list) else None


def _defined(
    schema: GraphQLSchema, parent: GraphQLNamedType | None, name: str
) -> GraphQLField | None:
    if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
        return None
    return schema.get_field(parent, name)


def _sizes_of_introspection(schema: GraphQLSchema) -> Mapping[str, int]:
    """How many there are, on the average, in each list of the schema's description of itself."""
    types = list(schema.type_map.values())
    fields = [one for type in types for one in _fields(type)]
    values = [one for type in types for one in getattr(type, "values", ())]
    arguments = sum(len(one.args) for one in fields)
    inputs = sum(len(getattr(one, "fields", ())) for one in types) - len(fields)

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
