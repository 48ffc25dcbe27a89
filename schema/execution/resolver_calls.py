"""Calls the resolver of a field of a document.

Literal arguments are converted once per document; arguments with variables are converted for each operation.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, cast

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
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

from resolvers.request.batch_resolver import BatchResolver
from schema.binding import field_of

Arguments = Mapping[str, Any]
"""The keyword arguments of a resolver, as Python values."""


class Call(NamedTuple):
    """The call of a field's asynchronous resolver."""

    field: GraphQLField
    strawberry_field: StrawberryField
    resolver: Callable[..., Any]
    of_record: str | None
    """The name of the parameter that takes the record, if there is one."""
    of_info: str | None
    arguments: Arguments | None
    """The arguments; None if they contain variables."""

    def call(self, record: Any, info: GraphQLResolveInfo[Any]) -> Awaitable[Any]:
        """Call the resolver; returns its awaitable."""
        arguments_by_name = dict(self.arguments or ())
        if self.of_record is not None:
            arguments_by_name[self.of_record] = record
        if self.of_info is not None:
            arguments_by_name[self.of_info] = Info(info, self.strawberry_field)
        return cast(Awaitable[Any], self.resolver(**arguments_by_name))

    def with_arguments(
        self, schema: GraphQLSchema, details: FieldDetails, variables: VariableValues
    ) -> "Call":
        """The call with its arguments converted. Raises as `arguments_of`."""
        if self.arguments is not None:
            return self
        return self._replace(arguments=arguments_of(schema, self.field, details, variables))


def call_of(schema: GraphQLSchema, of: GraphQLObjectType, details: FieldDetails) -> Call | None:
    """The call of a field's resolver; None if Strawberry must call it. Raises as `arguments_of`."""
    field = of.fields.get(details.node.name.value)
    strawberry_field = None if field is None else field_of(field)
    if field is None or strawberry_field is None:
        return None
    resolver = strawberry_field.base_resolver
    if resolver is None or strawberry_field.is_subscription or strawberry_field.extensions:
        return None
    if resolver.self_parameter or resolver.parent_parameter:
        return None
    function = resolver.wrapped_func
    if not isinstance(function, BatchResolver) and not inspect.iscoroutinefunction(function):
        return None
    record, info = resolver.root_parameter, resolver.info_parameter
    arguments = None if _varies(details.node) else arguments_of(schema, field, details, None)
    return Call(
        field,
        strawberry_field,
        function,
        None if record is None else record.name,
        None if info is None else info.name,
        arguments,
    )


def arguments_of(
    schema: GraphQLSchema,
    field: GraphQLField,
    details: FieldDetails,
    variables: VariableValues | None,
) -> Arguments:
    """The converted arguments of a field. Raises `GraphQLError` if they are invalid."""
    node = details.node
    if not field.args and not node.arguments:
        return {}
    strawberry_field = field_of(field)
    assert strawberry_field is not None, field
    values = get_argument_values(field, node, variables, details.fragment_variable_values)
    converter = cast(Any, schema)._strawberry_schema.schema_converter
    return convert_arguments(
        values,
        strawberry_field.arguments,
        scalar_registry=converter.scalar_registry,
        config=converter.config,
    )


def _varies(node: FieldNode) -> bool:
    """Whether the arguments of a field contain a variable."""
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
