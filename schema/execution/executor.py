"""Executes operations: completes lists whole, and falls back to graphql-core.

graphql-core completes each field of each object, with a task for each object that waits. `FastExecutor` completes a list by a
function compiled for its selection, and calls each resolver once for all records of a level. In any unforeseen case it falls
back to graphql-core, with the values that resolvers have returned already.
"""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from graphql import (
    Executor,
    FieldNode,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    get_named_type,
)
from graphql.execution.collect_fields import (
    CollectedFields,
    DeferUsage,
    FieldDetails,
    GroupedFieldSet,
)
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.progress import Moment
from resolvers.request.context import Context
from schema.execution.codegen import LISTS
from schema.execution.collected_fields import collected
from schema.execution.columns import ListCompletion
from schema.execution.fields_read import fields_read
from schema.execution.gather import cancel_and_wait, replace_gather
from schema.execution.lookahead import fields_read_below
from schema.execution.plan import Completion, Plans
from schema.execution.resolver_calls import Call
from schema.execution.selection import Selection, Unforeseen

replace_gather()

_PLANS: Final = Plans()
_STREAM: Final = "stream"


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
            while pending := [one for one in self.background_futures if not one.done()]:
                await cancel_and_wait(pending)

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """The executor of one event, which is a `Moment`."""
        assert isinstance(payload, Moment), payload
        executor = super().build_per_event_executor(payload.shown)
        executor.context_value = payload.context
        return executor


class CollectingExecutor(LogExecutor):
    """Collects the fields of a document once for all its executions."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.collected = collected(self.operation, self.variable_values)

    def execute_collected_root_fields(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: GroupedFieldSet,
        serially: bool,
        new_defer_usages: Sequence[DeferUsage],
    ) -> Any:
        """The completed root fields, or an awaitable of them."""
        fields = grouped_field_set
        if not new_defer_usages:
            fields = self.collected.root(root_type, fields)
        return super().execute_collected_root_fields(
            root_type, root_value, fields, serially, new_defer_usages
        )

    def collect_subfields(
        self, return_type: GraphQLObjectType, field_details_list: list[FieldDetails]
    ) -> CollectedFields:
        """The fields of a type that are selected below some others."""
        resolved = self.collected.below.get((return_type, id(field_details_list)))
        if resolved is None:
            collect = super().collect_subfields
            resolved = self.collected.collect(return_type, field_details_list, collect)
        return resolved


class FastExecutor(CollectingExecutor):
    """Completes lists whole."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if isinstance(self.context_value, Context):
            self.context_value = replace(
                self.context_value, reads=self._fields_read, below=self._fields_read_below
            )
        watches = self.middleware_manager is not None and self.middleware_manager.middlewares
        self._is_observed = bool(watches) or self.abort_signal is not None
        self._completions: dict[
            tuple[GraphQLOutputType, int], tuple[list[FieldDetails], Completion | None]
        ] = {}
        """By the list of fields, which the value keeps alive: an operation may complete thousands of lists below one."""

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: list[FieldDetails],
        path: Path,
        position_context: Any,
    ) -> Any:
        """The completed value of a field, or an awaitable of it."""
        call = None if self._is_observed else self._call(parent_type, field_details_list)
        if call is None:
            return super().execute_field(
                parent_type, source, field_details_list, path, position_context
            )
        nodes = [one.node for one in field_details_list]
        info = self.build_resolve_info(call.field, nodes, parent_type, path)
        return self._resolve_and_complete(call, source, field_details_list, info, position_context)

    def _call(self, of: GraphQLObjectType, details: list[FieldDetails]) -> Call | None:
        """The call of a field with its arguments; None to fall back to graphql-core."""
        field = of.fields.get(details[0].node.name.value)
        call = None if field is None else self.collected.call(self.schema, field, details)
        if call is None:
            return None
        try:
            return call.with_arguments(self.schema, details[0], self.variable_values)
        except Exception:
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
            resolved = await call.call(source, info)
            completed = self.complete_value(
                call.field.type, details, info, info.path, resolved, position_context
            )
            return await completed if self.is_awaitable(completed) else completed
        except Exception as error:
            self.handle_field_error(error, call.field.type, details, info.path)
            return None

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
        completion = self._completion_of(item_type, field_details_list, items, position_context)
        rest = (info, path, items, position_context)
        if completion is None:
            return super().complete_iterable_value(item_type, field_details_list, *rest)
        values = cast("list[Any] | tuple[Any, ...]", items)
        if completion.complete is None:
            columns = ListCompletion(self, self.collected)
            return self._in_columns(
                columns, completion, values, item_type, field_details_list, rest
            )
        try:
            return completion.complete(values)
        except Exception:
            return super().complete_iterable_value(item_type, field_details_list, *rest)

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
        completion = self._completion_of(return_type, field_details_list, (), position_context)
        if completion is not None and completion.complete is not None:
            try:
                (completed,) = completion.complete((result,))
                return completed
            except Exception:  # fall back to graphql-core, which hits the same error and reports it
                pass
        return super().complete_object_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def _completion_of(
        self,
        of: GraphQLOutputType,
        details: list[FieldDetails],
        values: Iterable[Any],
        position_context: Any,
    ) -> Completion | None:
        """How to complete a list whole; None to fall back to graphql-core."""
        if self._is_observed or type(values) not in LISTS or position_context is not None:
            return None
        key = (of, id(details))
        if key not in self._completions:
            self._completions[key] = (details, self._plan_of(of, details))
        return self._completions[key][1]

    def _plan_of(self, of: GraphQLOutputType, details: list[FieldDetails]) -> Completion | None:
        """How to complete lists of this type below these fields; None to fall back to graphql-core."""
        if any(one.defer_usage is not None or _streams(one) for one in details):
            return None
        try:
            return _PLANS.plan(of, self._selection(of, [one.node for one in details]))
        except Exception:
            # Fall back to graphql-core, which hits the same error and reports it with the right path.
            return None

    def _fields_read(
        self, info: GraphQLResolveInfo[Context], record: type
    ) -> frozenset[str] | None:
        """The fields of records of a class that are read below the field of `info`; None if any may be."""
        try:
            return fields_read(self._selection(info.return_type, info.field_nodes), record)
        except Exception:
            return None

    def _fields_read_below(
        self, info: GraphQLResolveInfo[Context], resolver: object, record: type
    ) -> Sequence[frozenset[str] | None]:
        """The fields that are read of the records of a resolver below the field of `info`, for each place where it occurs."""
        try:
            selection = self._selection(info.return_type, info.field_nodes)
            return fields_read_below(selection, resolver, record)
        except Exception:
            return ()

    def _selection(self, type_: GraphQLOutputType, nodes: Sequence[FieldNode]) -> Selection:
        """The selection of this type below `nodes`, without deferred parts. Raises as `selection_of`."""
        of = get_named_type(type_)
        if not isinstance(of, GraphQLObjectType):
            raise Unforeseen
        return self.collected.selection(of, nodes, self.collect_subfields)

    async def _in_columns(
        self,
        columns: ListCompletion,
        completion: Completion,
        values: "list[Any] | tuple[Any, ...]",
        item_type: GraphQLOutputType,
        details: list[FieldDetails],
        rest: tuple[GraphQLResolveInfo[Any], Path, Iterable[Any], Any],
    ) -> list[Any]:
        path = rest[1]
        try:
            return await columns.complete(completion, values, details, path.add_key)
        except Exception:
            fallback = _FallbackExecutor.after(self, columns.resolved_values())
            completed: Any = fallback.complete_iterable_value(item_type, details, *rest)
            if self.is_awaitable(completed):
                completed = await completed
            return cast("list[Any]", completed)


class _FallbackExecutor(CollectingExecutor):
    """Completes a list as graphql-core does, but with the values that resolvers have returned already."""

    resolved: Mapping[Path, Any]

    @classmethod
    def after(cls, executor: FastExecutor, resolved: Mapping[Path, Any]) -> "_FallbackExecutor":
        """An executor that continues in place of `executor` and shares its state, as graphql-core's part executors do."""
        fallback = cls.__new__(cls)
        vars(fallback).update(vars(executor), resolved=resolved)
        return fallback

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: list[FieldDetails],
        path: Path,
        position_context: Any,
    ) -> Any:
        """The completed value of a field; does not call a resolver again."""
        if path not in self.resolved:
            return super().execute_field(
                parent_type, source, field_details_list, path, position_context
            )
        field = parent_type.fields[field_details_list[0].node.name.value]
        nodes = [one.node for one in field_details_list]
        info = self.build_resolve_info(field, nodes, parent_type, path)
        value = self.resolved[path]
        try:
            completed = self.complete_value(
                field.type, field_details_list, info, path, value, position_context
            )
        except Exception as error:
            self.handle_field_error(error, field.type, field_details_list, path)
            return None
        if not self.is_awaitable(completed):
            return completed
        return self._await_field(completed, field.type, field_details_list, path)

    async def _await_field(
        self,
        completed: Awaitable[Any],
        of: GraphQLOutputType,
        details: list[FieldDetails],
        path: Path,
    ) -> Any:
        try:
            return await completed
        except Exception as error:
            self.handle_field_error(error, of, details, path)
            return None


def _streams(one: FieldDetails) -> bool:
    return any(directive.name.value == _STREAM for directive in one.node.directives or ())
