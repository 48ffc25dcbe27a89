"""The plan of a document: the parsed text, and everything that is derived from it, once for all of its executions.

What is derived depends on the text, the schema, and the variables of `@skip` and `@include`. A plan holds nothing else of a
request: no value of another variable, no record, no viewer.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    InlineFragmentNode,
    OperationDefinitionNode,
    VariableNode,
)
from graphql.execution.collect_fields import CollectedFields, FieldDetails, GroupedFieldSet
from graphql.execution.values import VariableValues
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types.graphql import OperationType

from schema.documents.costs import Costs, OperationCost
from schema.documents.limits import operations_of
from schema.errors import unexecutable

MOST_VARIANTS: Final = 4
"""Operation plans of one document, enough for two optional parts; the oldest is dropped."""


class NamedOperation(NamedTuple):
    """One operation of a document, and its cost."""

    operation: OperationDefinitionNode
    kind: OperationType
    cost: OperationCost


@dataclass(eq=False)
class OperationPlan:
    """What the executor derives for one operation and one set of deciding variables.

    Keys have ids of nodes and of lists of fields. The document keeps the nodes, and this object the lists: no id is reused.
    """

    roots: dict[GraphQLObjectType, GroupedFieldSet] = field(default_factory=dict)
    """The root fields as they were collected first, on whose identity the other keys are based."""
    collected: dict[tuple[GraphQLObjectType, int], tuple[list[FieldDetails], CollectedFields]] = (
        field(default_factory=dict)
    )
    """By type and id of a list of fields: that list, and the fields below it."""
    derived: dict[Hashable, Any] = field(default_factory=dict)
    """Selections, completions, calls of resolvers and fields read; None for what is left to graphql-core."""


class DocumentPlan(DocumentNode):
    """A parsed document, the errors of its validation, and the plans of its operations."""

    def __init__(
        self, node: DocumentNode, problems: tuple[GraphQLError, ...], costs: Costs
    ) -> None:
        super().__init__(definitions=node.definitions, loc=node.loc)
        self.problems = problems
        self._costs = costs
        self._operations: dict[str | None, NamedOperation] = {}
        """By name, and None."""
        self._deciding = tuple(sorted(set(_deciding(node))))
        self._plans: dict[tuple[object, ...], OperationPlan] = {}

    def operation_named(self, name: str | None) -> NamedOperation:
        """The operation of that name, or the only one (GraphQL, 6.1, GetOperation). Raises `BadUserInput`."""
        if name not in self._operations:
            operations = operations_of(self)
            if name is not None:
                operations = [node for node in operations if node.name and node.name.value == name]
            if len(operations) != 1:
                raise unexecutable(CannotGetOperationTypeError(name))
            (operation,) = operations
            self._operations[name] = NamedOperation(
                operation,
                OperationType(operation.operation.value),
                self._costs.of(self, operation),
            )
        return self._operations[name]

    def operation_plan(
        self, operation: OperationDefinitionNode, variables: VariableValues
    ) -> OperationPlan:
        """The plan of an operation of this document with these variables."""
        key = (id(operation), *(variables.coerced.get(name) for name in self._deciding))
        plan = self._plans.get(key)
        if plan is None:
            while len(self._plans) >= MOST_VARIANTS:
                del self._plans[next(iter(self._plans))]
            plan = self._plans[key] = OperationPlan()
        return plan


DocumentPlan.kind = DocumentNode.kind  # graphql-core derives it from the name of the class


def _deciding(document: DocumentNode) -> Iterator[str]:
    """The variables in directives of fields and fragments."""
    waiting = [
        definition.selection_set
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    while waiting:
        for node in waiting.pop().selections:
            for directive in node.directives or ():
                for argument in directive.arguments or ():
                    if isinstance(argument.value, VariableNode):
                        yield argument.value.name.value
            if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set:
                waiting.append(node.selection_set)
