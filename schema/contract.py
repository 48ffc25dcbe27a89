"""The schema: everything that can be asked, made once when this module is imported."""

from collections.abc import Sequence
from copy import copy
from typing import Any, Final, cast

import strawberry
from graphql import (
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSyntaxError,
    OperationType,
    Undefined,
)
from strawberry.execution import optimized_is_awaitable
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter
from strawberry.types import ExecutionContext, ExecutionResult

from domain.errors import LogError
from resolvers.request.context import Context
from schema.described.descriptions import describe
from schema.documents.documents import AsRead, Documents
from schema.errors import coded, remove_suggestion, with_choices
from schema.execution.executor import FastExecutor, LogExecutor
from schema.parts import District, School
from schema.roots.mutation import Mutation
from schema.roots.query import Query
from schema.roots.subscription import Subscription
from schema.types import Delivery, Message, Person, Recipient, Report


class Names(NameConverter):
    """Strawberry's names, each made once: Strawberry asks for those of the arguments with each operation."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, str] = {}

    def apply_naming_config(self, name: str) -> str:
        """The name in GraphQL of what has this name in Python."""
        if name not in self._made:
            self._made[name] = super().apply_naming_config(name)
        return self._made[name]


class Contract(strawberry.Schema):
    """The schema; what goes wrong is told by `schema.errors`, and what is asked is read by `schema.documents.documents`."""

    suggests: bool = True
    """Whether errors name what the schema has in place of a name or value that it has not."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"config": StrawberryConfig(name_converter=Names()), **options})
        assert not self.extensions, "AsRead runs none"
        self.documents = Documents(cast(Any, self)._schema)

    def create_extensions_runner(
        self, execution_context: ExecutionContext, extensions: Sequence[SchemaExtension]
    ) -> AsRead:
        """What runs around the steps of an operation."""
        return AsRead(execution_context)

    async def execute(self, query: str | None, *args: Any, **named: Any) -> ExecutionResult:
        """What an operation comes to; nothing of it is under way any more.

        GraphQL ends an operation with the first error that leaves nothing to answer; what was being loaded goes on.
        """
        executor = None if args else self._ready(query, **named)
        if executor is None:
            result: ExecutionResult = await super().execute(query, *args, **named)
        else:
            result = await _executed(executor)
            if result.errors:
                variables = named.get("variable_values")
                asked = ExecutionContext(query, self, frozenset(), variables=variables)
                self.process_errors(result.errors, asked)
        context = named.get("context_value")
        if result.errors and isinstance(context, Context):
            await context.settled()
        return result

    def _ready(
        self,
        query: str | None,
        *,
        variable_values: dict[str, Any] | None = None,
        context_value: object = None,
        operation_name: str | None = None,
        **others: Any,
    ) -> FastExecutor | None:
        """What executes an operation of one answer; None where it is Strawberry's, which tells what is wrong with it.

        Strawberry would make its own of the document, of the extensions and of the errors, and come to the same.
        """
        if others or not query or not issubclass(self.execution_context_class, FastExecutor):
            return None
        try:
            document = self.documents.read(query)
        except (LogError, GraphQLSyntaxError):
            return None
        if document.problems:
            return None
        executor = self.execution_context_class.build(
            cast(Any, self)._schema,
            document.node,
            context_value=context_value,
            raw_variable_values=variable_values,
            operation_name=operation_name,
            is_awaitable=cast(Any, optimized_is_awaitable),
        )
        if isinstance(executor, list) or executor.operation.operation is OperationType.SUBSCRIPTION:
            return None
        return cast(FastExecutor, executor)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Make of each error what a client may read, in its place.

        Strawberry shows us here what it is about to answer, however an operation failed; an extension would not see what
        goes wrong outside of the operation. What Strawberry does here, writing messages into the log, is left out:
        messages hold what a person typed.
        """
        errors[:] = [coded(self._worded(error)) for error in errors]

    def _worded(self, error: GraphQLError) -> GraphQLError:
        if self.suggests:
            return with_choices(error, cast(Any, self)._schema)
        return remove_suggestion(error)


async def _executed(executor: FastExecutor) -> ExecutionResult:
    try:
        came: Any = executor.execute_operation()
        if executor.is_awaitable(came):
            came = await came
        return ExecutionResult(came.data, came.errors or None)
    except Exception as fault:
        return ExecutionResult(None, [GraphQLError(str(fault), original_error=fault)])


def build() -> Contract:
    """The schema, as it is printed, and as it answers."""
    schema = Contract(
        Query,
        Mutation,
        Subscription,
        execution_context_class=FastExecutor,
        types=[District, School, Message, Person, Recipient, Delivery, Report],
    )
    _say_nothing_of_absent_defaults(schema)
    describe(cast(Any, schema)._schema)
    return schema


def _say_nothing_of_absent_defaults(schema: strawberry.Schema) -> None:
    """An argument that may be left out is not printed with `= null`: leaving it out is the same."""
    for named in cast(Any, schema)._schema.type_map.values():
        if isinstance(named, GraphQLObjectType | GraphQLInterfaceType):
            arguments = [
                argument for field in named.fields.values() for argument in field.args.values()
            ]
        elif isinstance(named, GraphQLInputObjectType):
            arguments = list(named.fields.values())
        else:
            continue
        for argument in arguments:
            if argument.default_value is None:
                argument.default_value = Undefined


SCHEMA: Final = build()


def hide_suggestions(schema: Contract) -> Contract:
    """The same schema; its errors suggest nothing, for clients that may not introspect."""
    other = copy(schema)
    other.suggests = False
    return other


def ordinarily(schema: Contract) -> Contract:
    """The same schema, answered as Strawberry answers any: slower, and to compare with."""
    other = copy(schema)
    other.execution_context_class = LogExecutor
    return other
