"""Executes operations: completes lists whole, and falls back to graphql-core.

graphql-core completes each field of each object, with a task for each object that waits. `FastExecutor` completes a list by a
function compiled for its selection, and calls each resolver once for all records of a level. In any unforeseen case it falls
back to graphql-core, with the values that resolvers have returned already.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, TypeVar, cast

from graphql import (
    DocumentNode,
    Executor,
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    Undefined,
    get_named_type,
    is_leaf_type,
)
from graphql.execution.collect_fields import (
    CollectedFields,
    DeferUsage,
    FieldDetails,
    GroupedFieldSet,
)
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.log.progress import Moment
from resolvers.request.context import Context
from schema.documents.document_plan import DocumentPlan, OperationPlan
from schema.execution.codegen import LISTS
from schema.execution.columns import ListCompletion
from schema.execution.fallbacks import record_fallback
from schema.execution.gather import cancel_and_wait, replace_gather
from schema.execution.lookahead import fields_read, fields_read_below
from schema.execution.plan import Completion, plan
from schema.execution.resolver_calls import Call, call_of
from schema.execution.selection import Selection, selection_of

T = TypeVar("T")

replace_gather()


class LogExecutor(StrawberryGraphQLCoreExecutionContext):
    """Executes each event of a subscription in the context that came with it, and ends all its tasks with its result.

    graphql-core has one context per operation, in which an operation of hours would show the rows of its first second.
    """

    def execute_operation(self, serially: bool | None = None) -> Any:
        """The result, or an awaitable of it; all fields have ended by then."""
        answer = super().execute_operation(serially)
        if self.is_awaitable(answer) or self.background_futures:
            return self._run_to_end(answer)
        return answer

    async def _run_to_end(self, answer: Any) -> Any:
        try:
            return await answer if self.is_awaitable(answer) else answer
        finally:
            # A field that fails early leaves its siblings to graphql-core's background tasks, where they would keep loading
            # after the response and outside of the timeout.
            while pending := [future for future in self.background_futures if not future.done()]:
                await cancel_and_wait(pending)

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """The executor of one event, which is a `Moment`."""
        assert isinstance(payload, Moment), payload
        executor = super().build_per_event_executor(payload.shown)
        executor.context_value = payload.context
        return executor


class FastExecutor(LogExecutor):
    """Completes lists whole, with what the plan of the document holds for the operation."""

    strict = False
    """Whether a fault of the list executor is raised, instead of being left to graphql-core."""

    plan: OperationPlan

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if isinstance(self.context_value, Context):
            self.context_value = replace(
                self.context_value, reads=self._fields_read, below=self._fields_read_below
            )
        self._resolved: Mapping[Path, Any] | None = None
        """If this completes a list as graphql-core does: the values that resolvers have returned already."""
        self._errors_met = 0

    @classmethod
    def build(
        cls, schema: GraphQLSchema, document: DocumentNode, *arguments: Any, **options: Any
    ) -> list[GraphQLError] | Executor[Any]:
        """The executor of an operation, with its plan; or the errors of the request."""
        executor = super().build(schema, document, *arguments, **options)
        if isinstance(executor, FastExecutor):
            if isinstance(document, DocumentPlan):
                variables = executor.variable_values
                executor.plan = document.operation_plan(executor.operation, variables)
            else:
                executor.plan = OperationPlan()
        return executor

    def execute_collected_root_fields(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: GroupedFieldSet,
        serially: bool,
        new_defer_usages: Sequence[DeferUsage],
    ) -> Any:
        """The completed root fields, or an awaitable of them."""
        fields = self.plan.roots.setdefault(root_type, grouped_field_set)
        return super().execute_collected_root_fields(
            root_type, root_value, fields, serially, new_defer_usages
        )

    def collect_subfields(
        self, return_type: GraphQLObjectType, field_details_list: list[FieldDetails]
    ) -> CollectedFields:
        """The fields of a type that are selected below some others."""
        key = return_type, id(field_details_list)
        collected = self.plan.collected.get(key)
        if collected is None:
            fields = super().collect_subfields(return_type, field_details_list)
            collected = self.plan.collected[key] = field_details_list, fields
        return collected[1]

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: list[FieldDetails],
        path: Path,
        position_context: Any,
    ) -> Any:
        """The completed value of a field, or an awaitable of it."""
        call, value = None, Undefined
        if self._resolved is not None:
            value = self._resolved.get(path, Undefined)
        else:
            call = self.call(parent_type, field_details_list)
        if call is None and value is Undefined:
            return super().execute_field(
                parent_type, source, field_details_list, path, position_context
            )
        nodes = [field_details.node for field_details in field_details_list]
        field = call.field if call else parent_type.fields[nodes[0].name.value]
        info = self.build_resolve_info(field, nodes, parent_type, path)
        if call is None:
            return self._complete_field(field, field_details_list, info, value, position_context)
        return self._resolve_and_complete(call, source, field_details_list, info, position_context)

    def call(self, of: GraphQLObjectType, details: list[FieldDetails]) -> Call | None:
        """The call of a field with its arguments; None to leave it to graphql-core."""
        call = self._derive((call_of, id(details)), call_of, self.schema, of, details[0])
        if call is None or call.arguments is not None:
            return call
        try:
            return call.with_arguments(self.schema, details[0], self.variable_values)
        except Exception as cause:
            record_fallback(cause, strict=self.strict)
            return None

    async def _resolve_and_complete(
        self,
        call: Call,
        source: Any,
        details: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        position_context: Any,
    ) -> Any:
        try:
            value = await call.call(source, info)
        except Exception as error:
            value = error  # completed by its report
        completed = self._complete_field(call.field, details, info, value, position_context)
        return await completed if self.is_awaitable(completed) else completed

    def _complete_field(
        self,
        field: GraphQLField,
        details: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        value: Any,
        position_context: Any,
    ) -> Any:
        """The completed value of a field, or an awaitable of it. Reports an error as graphql-core does."""
        try:
            completed = self.complete_value(
                field.type, details, info, info.path, value, position_context
            )
        except Exception as error:
            self.handle_field_error(error, field.type, details, info.path)
            return None
        if not self.is_awaitable(completed):
            return completed

        async def await_completed() -> Any:
            try:
                return await completed
            except Exception as error:
                self.handle_field_error(error, field.type, details, info.path)
                return None

        return await_completed()

    def complete_iterable_value(
        self,
        item_type: GraphQLOutputType,
        field_details_list: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        items: Iterable[Any],
        position_context: Any,
    ) -> Any:
        """The completed list, or an awaitable of it."""
        arguments = (item_type, field_details_list, info, path, items, position_context)
        completion = None
        if type(items) in LISTS:
            completion = self._completion_of(item_type, field_details_list)
        if completion is None:
            return super().complete_iterable_value(*arguments)
        values = cast("list[Any] | tuple[Any, ...]", items)
        if completion.complete is None:
            return self._in_columns(completion, values, arguments)
        try:
            return completion.complete(values)
        except Exception as cause:
            before = self._errors_met
            completed = super().complete_iterable_value(*arguments)
            self._fell_back(cause, errors_before=before)
            return completed

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """The completed object, or an awaitable of it."""
        completion = self._completion_of(return_type, field_details_list)
        arguments = (return_type, field_details_list, info, path, result, position_context)
        if completion is None or completion.complete is None:
            return super().complete_object_value(*arguments)
        try:
            (completed,) = completion.complete((result,))
        except Exception as cause:
            before = self._errors_met
            completed = super().complete_object_value(*arguments)
            self._fell_back(cause, errors_before=before)
        return completed

    def handle_field_error(
        self,
        raw_error: Exception,
        return_type: GraphQLOutputType,
        field_details_list: list[FieldDetails],
        path: Path,
    ) -> None:
        """Report an error in its place; raise it again if the field may not be null."""
        self._errors_met += 1
        super().handle_field_error(raw_error, return_type, field_details_list, path)

    def _fell_back(self, cause: Exception, *, errors_before: int) -> None:
        """Record a fallback after which graphql-core has completed the same values.

        If it met an error too, `cause` was an error of the operation, which is reported by now.
        """
        if self._errors_met == errors_before:
            record_fallback(cause, strict=self.strict)

    async def _in_columns(
        self, completion: Completion, values: Sequence[Any], arguments: tuple[Any, ...]
    ) -> list[Any]:
        _, details, _, path, *_ = arguments
        columns = ListCompletion(self)
        try:
            return await columns.complete(completion, values, details, path.add_key)
        except Exception as cause:
            fallback = copy(self)
            fallback._resolved = columns.resolved_values()
            fallback._errors_met = 0
            completed: Any = fallback.complete_iterable_value(*arguments)
            if self.is_awaitable(completed):
                completed = await completed
            fallback._fell_back(cause, errors_before=0)
            return cast("list[Any]", completed)

    def _completion_of(
        self, of: GraphQLOutputType, details: list[FieldDetails]
    ) -> Completion | None:
        """How to complete values of a type; None to leave them to graphql-core."""
        if self._resolved is not None:
            return None
        return self._derive((plan, of, id(details)), self._plan_of, of, details)

    def _plan_of(self, of: GraphQLOutputType, details: list[FieldDetails]) -> Completion:
        return plan(of, self._selection(of, [field.node for field in details]))

    def _fields_read(
        self, info: GraphQLResolveInfo[Context], record: type
    ) -> frozenset[str] | None:
        """The fields of records of a class that are read below the field of `info`; None if any may be."""
        return self._look_ahead(info, fields_read, record)

    def _fields_read_below(
        self, info: GraphQLResolveInfo[Context], resolver: object, record: type
    ) -> Sequence[frozenset[str] | None]:
        """The fields that are read of the records of a resolver below the field of `info`, for each place where it occurs."""
        return self._look_ahead(info, fields_read_below, resolver, record) or ()

    def _look_ahead(
        self, info: GraphQLResolveInfo[Context], read: Callable[..., T], *of: object
    ) -> T | None:
        type_, nodes = info.return_type, info.field_nodes
        return self._derive(
            (read, type_, *map(id, nodes), *of), lambda: read(self._selection(type_, nodes), *of)
        )

    def _selection(self, type_: GraphQLOutputType, nodes: Sequence[FieldNode]) -> Selection | None:
        """The selection of this type below `nodes`; None of a leaf. Raises as `selection_of`."""
        of = get_named_type(type_)
        if is_leaf_type(of):
            return None
        derived, key = self.plan.derived, (selection_of, of, *map(id, nodes))
        if key not in derived:
            details = [FieldDetails(node, None) for node in nodes]
            derived[key] = selection_of(of, details, self.collect_subfields)
        return cast(Selection, derived[key])

    def _derive(self, key: Hashable, derive: Callable[..., T], *arguments: Any) -> T | None:
        """What `derive` returns, called once for each key of the plan; None to leave it to graphql-core."""
        derived = self.plan.derived
        if key in derived:
            return derived[key]  # type: ignore[no-any-return]  # a call of `cast` would take as long
        try:
            value = derive(*arguments)
        except Exception as cause:
            record_fallback(cause, strict=self.strict)
            value = None
        derived[key] = value
        return value


class StrictExecutor(FastExecutor):
    """Raises faults of the list executor, so that tests see them."""

    strict = True
