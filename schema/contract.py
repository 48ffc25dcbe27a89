"""The GraphQL schema, built once on import."""

from collections.abc import Sequence
from copy import copy
from typing import Any, Final, cast

import strawberry
from graphql import (
    GraphQLError,
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
from schema.documents.documents import Documents, PreparedRunner
from schema.errors import client_error, remove_suggestion, with_choices
from schema.execution.executor import FastExecutor, LogExecutor, StrictExecutor
from schema.roots.mutation import Mutation
from schema.roots.query import Query
from schema.roots.subscription import Subscription
from schema.types.deliveries import Delivery
from schema.types.messages import Address, Message, Person, Recipient, Report, Student
from schema.types.parts import District, School


class Names(NameConverter):
    """Caches the GraphQL names: Strawberry converts those of the arguments with each operation."""

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, str] = {}

    def apply_naming_config(self, name: str) -> str:
        """The GraphQL name of a Python name."""
        if name not in self._names:
            self._names[name] = super().apply_naming_config(name)
        return self._names[name]


class Contract(strawberry.Schema):
    """The schema. `schema.errors` writes its errors, `schema.documents.documents` parses its documents."""

    suggests: bool = True
    """Whether errors suggest names and values of the schema."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"config": StrawberryConfig(name_converter=Names()), **options})
        assert not self.extensions, "PreparedRunner runs none"
        assert not self.config.enable_experimental_incremental_execution, "a plan has no @defer"
        self.documents = Documents(cast(Any, self)._schema)

    def create_extensions_runner(
        self, execution_context: ExecutionContext, extensions: Sequence[SchemaExtension]
    ) -> PreparedRunner:
        """The runner of extensions, which only passes on the parsed document."""
        return PreparedRunner(execution_context)

    async def execute(self, query: str | None, *args: Any, **options: Any) -> ExecutionResult:
        """Execute an operation; when this returns, all of its tasks have ended.

        graphql-core returns with the first error that leaves no data, while loaders may still run.
        """
        executor = None if args else self._executor_of(query, **options)
        if executor is None:
            result: ExecutionResult = await super().execute(query, *args, **options)
        else:
            result = await _execute(executor)
            if result.errors:
                variables = options.get("variable_values")
                execution = ExecutionContext(query, self, frozenset(), variables=variables)
                self.process_errors(result.errors, execution)
        context = options.get("context_value")
        if result.errors and isinstance(context, Context):
            await context.wait_until_idle()
        return result

    def _executor_of(
        self,
        query: str | None,
        *,
        variable_values: dict[str, Any] | None = None,
        context_value: object = None,
        operation_name: str | None = None,
        **rest: Any,
    ) -> FastExecutor | None:
        """The executor of an operation with a single result; None if Strawberry must execute it and report its errors.

        Skips Strawberry's own steps around documents, extensions and errors, with the same result.
        """
        if rest or not query or not issubclass(self.execution_context_class, FastExecutor):
            return None
        try:
            document = self.documents.read(query)
        except (LogError, GraphQLSyntaxError):
            return None
        if document.problems:
            return None
        executor = self.execution_context_class.build(
            cast(Any, self)._schema,
            document,
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
        """Replace each error by what a client may read.

        Strawberry passes all errors here, however an operation failed; an extension misses those outside of the operation.
        Strawberry's own version logs the messages; ours does not, since messages contain what a person typed.
        """
        errors[:] = [client_error(self._with_suggestions(error)) for error in errors]

    def _with_suggestions(self, error: GraphQLError) -> GraphQLError:
        if self.suggests:
            return with_choices(error, cast(Any, self)._schema)
        return remove_suggestion(error)


async def _execute(executor: FastExecutor) -> ExecutionResult:
    try:
        result: Any = executor.execute_operation()
        if executor.is_awaitable(result):
            result = await result
        return ExecutionResult(result.data, result.errors or None)
    except Exception as fault:
        return ExecutionResult(None, [GraphQLError(str(fault), original_error=fault)])


def build() -> Contract:
    """Build the schema with its descriptions."""
    schema = Contract(
        Query,
        Mutation,
        Subscription,
        execution_context_class=FastExecutor,
        types=[District, School, Message, Person, Student, Address, Recipient, Delivery, Report],
    )
    _hide_null_defaults(schema)
    describe(cast(Any, schema)._schema)
    return schema


def _hide_null_defaults(schema: strawberry.Schema) -> None:
    """Print optional arguments without `= null`, which means the same as leaving them out."""
    for type_ in cast(Any, schema)._schema.type_map.values():
        for field in getattr(type_, "fields", {}).values():
            # A field of an input has no arguments and is itself optional.
            for argument in getattr(field, "args", {"": field}).values():
                if argument.default_value is None:
                    argument.default_value = Undefined


SCHEMA: Final = build()


def hide_suggestions(schema: Contract) -> Contract:
    """A copy of the schema whose errors make no suggestions, for clients that may not introspect."""
    other = copy(schema)
    other.suggests = False
    return other


EXECUTORS: Final = {"fast": FastExecutor, "strict": StrictExecutor, "stock": LogExecutor}
"""How operations are executed: lists whole; the same, and faults are raised; or as Strawberry does, for comparison."""


def with_executor(schema: Contract, name: str) -> Contract:
    """A copy of the schema that executes by `EXECUTORS[name]`."""
    other = copy(schema)
    other.execution_context_class = EXECUTORS[name]
    return other
