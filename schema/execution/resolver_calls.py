"""How a resolver is called for a field of a document: with what of the operation, and with which arguments.

Arguments that the document spells out are read and converted once; where variables are among them, with each operation. What
becomes of a resolver's answer is the executor's.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, cast

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLResolveInfo,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
    get_argument_values,
)
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.values import VariableValues
from strawberry import Info
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from resolvers.request.batch_resolver import Together
from schema.binding import field_of

Arguments = Mapping[str, Any]
"""As a resolver takes them: values of Python, under Python's names."""


class Call(NamedTuple):
    """A field of a document whose resolver has to be awaited."""

    field: GraphQLField
    made: StrawberryField
    resolver: Callable[..., Any]
    of_record: str | None
    """Under which name the resolver is given its record, if it wants it."""
    of_info: str | None
    given: Arguments | None
    """Its arguments; None where variables are among them."""

    def ask(self, record: Any, info: GraphQLResolveInfo[Any]) -> Awaitable[Any]:
        """What the resolver is to be awaited from."""
        named = dict(self.given or ())
        if self.of_record is not None:
            named[self.of_record] = record
        if self.of_info is not None:
            named[self.of_info] = Info(info, self.made)
        return cast(Awaitable[Any], self.resolver(**named))

    def asked_with(
        self, schema: GraphQLSchema, details: FieldDetails, variables: VariableValues
    ) -> "Call":
        """The same with its arguments, whatever they are made of. Raises as `arguments`."""
        if self.given is not None:
            return self
        return self._replace(given=arguments(schema, self.field, details, variables))


def call_of(schema: GraphQLSchema, field: GraphQLField, details: FieldDetails) -> Call | None:
    """How the resolver of a field is called; None where it is Strawberry's to call."""
    made = field_of(field)
    resolver = made.base_resolver
    if resolver is None or made.is_subscription or made.extensions:
        return None
    if resolver.self_parameter or resolver.parent_parameter:
        return None
    function = resolver.wrapped_func
    if not isinstance(function, Together) and not inspect.iscoroutinefunction(function):
        return None
    record, info = resolver.root_parameter, resolver.info_parameter
    given = None if _varies(details.node) else arguments(schema, field, details, None)
    return Call(
        field,
        made,
        function,
        None if record is None else record.name,
        None if info is None else info.name,
        given,
    )


def arguments(
    schema: GraphQLSchema,
    field: GraphQLField,
    details: FieldDetails,
    variables: VariableValues | None,
) -> Arguments:
    """The arguments of a field. Raises `GraphQLError` where they do not fit it."""
    node = details.node
    if not field.args and not node.arguments:
        return {}
    values = get_argument_values(field, node, variables, details.fragment_variable_values)
    converter = cast(Any, schema)._strawberry_schema.schema_converter
    return convert_arguments(
        values,
        field_of(field).arguments,
        scalar_registry=converter.scalar_registry,
        config=converter.config,
    )


def _varies(node: FieldNode) -> bool:
    """Whether a variable stands in the arguments of a field."""
    waiting: list[ValueNode] = [argument.value for argument in node.arguments or ()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, VariableNode):
            return True
        if isinstance(value, ListValueNode):
            waiting += value.values
        elif isinstance(value, ObjectValueNode):
            waiting += [field.value for field in value.fields]
    return False
