"""How operations are executed, where that differs from Strawberry's way: lists are answered whole.

An ordinary executor answers each field of each object, and has a task for each object that waits. `FastExecutor` answers a
list by a function that was compiled for what is selected, and asks each resolver once for all records of a level. Where
anything is not as it is foreseen, the list is answered in the ordinary way, from what the resolvers have given already.
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
from schema.execution.columns import Columns
from schema.execution.fields_read import fields_read
from schema.execution.gather import call_off, end_together
from schema.execution.lookahead import asked_below
from schema.execution.plan import Completion, Plans
from schema.execution.resolver_calls import Call
from schema.execution.selection import Selection, Unforeseen

end_together()

_PLANS: Final = Plans()
_STREAM: Final = "stream"


class LogExecutor(StrawberryGraphQLCoreExecutionContext):
    """Answers each event of a subscription in the context that came with it, and ends with its answer; all else as Strawberry
    does.

    GraphQL knows one context an operation; an operation that goes on for hours would show what it loaded in the first second.
    """

    def execute_operation(self, serially: bool | None = None) -> Any:
        """The answer, or what it can be awaited from; no field is under way any more when it is there."""
        answer = super().execute_operation(serially)
        if self.is_awaitable(answer) or self.background_futures:
            return self._to_the_end(answer)
        return answer

    async def _to_the_end(self, answer: Any) -> Any:
        try:
            return await answer if self.is_awaitable(answer) else answer
        finally:
            # A field that fails before it waits leaves those beside it to graphql-core's background, where they would ask
            # for all that is selected below them, behind the answer and outside of its time.
            while pending := [one for one in self.background_futures if not one.done()]:
                await call_off(pending)

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """The executor of one event, which is a `Moment`."""
        assert isinstance(payload, Moment), payload
        executor = super().build_per_event_executor(payload.shown)
        executor.context_value = payload.context
        return executor


class CollectingExecutor(LogExecutor):
    """Collects the fields of a document once for all who execute it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.collected = collected(self.operation, self.variable_values)

    def execute_collected_root_fields(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: GroupedFieldSet,
        serially: bool,
        new_defer_usages: Sequence[DeferUsage],
    ) -> Any:
        """The completed fields of the operation, or what they can be awaited from."""
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
        found = self.collected.below.get((return_type, id(field_details_list)))
        if found is None:
            collect = super().collect_subfields
            found = self.collected.collect(return_type, field_details_list, collect)
        return found


class FastExecutor(CollectingExecutor):
    """Answers lists whole."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if isinstance(self.context_value, Context):
            self.context_value = replace(
                self.context_value, reads=self._fields_read, below=self._asked_below
            )
        watches = self.middleware_manager is not None and self.middleware_manager.middlewares
        self._is_watched = bool(watches) or self.abort_signal is not None
        self._ways: dict[
            tuple[GraphQLOutputType, int], tuple[list[FieldDetails], Completion | None]
        ] = {}
        """By the list of fields, which is held beside: an operation can come to thousands of lists below the same ones."""

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: list[FieldDetails],
        path: Path,
        position_context: Any,
    ) -> Any:
        """The completed value of a field, or what it can be awaited from."""
        call = None if self._is_watched else self._call(parent_type, field_details_list)
        if call is None:
            return super().execute_field(
                parent_type, source, field_details_list, path, position_context
            )
        nodes = [one.node for one in field_details_list]
        info = self.build_resolve_info(call.field, nodes, parent_type, path)
        return self._answered(call, source, field_details_list, info, position_context)

    def _call(self, of: GraphQLObjectType, details: list[FieldDetails]) -> Call | None:
        """How a field is called, with its arguments; None where it is answered in the ordinary way."""
        field = of.fields.get(details[0].node.name.value)
        call = None if field is None else self.collected.call(self.schema, field, details)
        if call is None:
            return None
        try:
            return call.asked_with(self.schema, details[0], self.variable_values)
        except Exception:
            return None

    async def _answered(
        self,
        call: Call,
        source: Any,
        details: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        position_context: Any,
    ) -> Any:
        try:
            resolved = await call.ask(source, info)
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
        """The completed list, or what it can be awaited from."""
        how = self._how(item_type, field_details_list, items, position_context)
        rest = (info, path, items, position_context)
        if how is None:
            return super().complete_iterable_value(item_type, field_details_list, *rest)
        values = cast("list[Any] | tuple[Any, ...]", items)
        if how.complete is None:
            columns = Columns(self, self.collected)
            return self._in_columns(columns, how, values, item_type, field_details_list, rest)
        try:
            return how.complete(values)
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
        """The completed object, or what it can be awaited from."""
        how = self._how(return_type, field_details_list, (), position_context)
        if how is not None and how.complete is not None:
            try:
                (completed,) = how.complete((result,))
                return completed
            except Exception:  # the ordinary way meets it again
                pass
        return super().complete_object_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def _how(
        self,
        of: GraphQLOutputType,
        details: list[FieldDetails],
        values: Iterable[Any],
        position_context: Any,
    ) -> Completion | None:
        """How a list is completed whole; None where it is not."""
        if self._is_watched or type(values) not in LISTS or position_context is not None:
            return None
        key = (of, id(details))
        if key not in self._ways:
            self._ways[key] = (details, self._way(of, details))
        return self._ways[key][1]

    def _way(self, of: GraphQLOutputType, details: list[FieldDetails]) -> Completion | None:
        """How lists of this type are completed whole below these fields; None where they are not."""
        if any(one.defer_usage is not None or _streams(one) for one in details):
            return None
        try:
            return _PLANS.plan(of, self._selection(of, [one.node for one in details]))
        except Exception:
            # The ordinary way meets it again, and tells it in its place.
            return None

    def _fields_read(
        self, info: GraphQLResolveInfo[Context], record: type
    ) -> frozenset[str] | None:
        """What is read of records of a class in what stands below the field of `info`; None where any may be."""
        try:
            return fields_read(self._selection(info.return_type, info.field_nodes), record)
        except Exception:
            return None

    def _asked_below(
        self, info: GraphQLResolveInfo[Context], resolver: object, record: type
    ) -> Sequence[frozenset[str] | None]:
        """What is read of the records that a resolver gives below the field of `info`, for each place where it is asked."""
        try:
            selection = self._selection(info.return_type, info.field_nodes)
            return asked_below(selection, resolver, record)
        except Exception:
            return ()

    def _selection(self, given: GraphQLOutputType, nodes: Sequence[FieldNode]) -> Selection:
        """What is selected below the fields `nodes`, of this type and in no deferred part. Raises as `selection_of`."""
        of = get_named_type(given)
        if not isinstance(of, GraphQLObjectType):
            raise Unforeseen
        return self.collected.selection(of, nodes, self.collect_subfields)

    async def _in_columns(
        self,
        columns: Columns,
        how: Completion,
        values: "list[Any] | tuple[Any, ...]",
        item_type: GraphQLOutputType,
        details: list[FieldDetails],
        rest: tuple[GraphQLResolveInfo[Any], Path, Iterable[Any], Any],
    ) -> list[Any]:
        path = rest[1]
        try:
            return await columns.complete(how, values, details, path.add_key)
        except Exception:
            again = _Again.after(self, columns.found())
            completed: Any = again.complete_iterable_value(item_type, details, *rest)
            if self.is_awaitable(completed):
                completed = await completed
            return cast("list[Any]", completed)


class _Again(CollectingExecutor):
    """Answers a list in the ordinary way, but asks no resolver again for what it has given."""

    found: Mapping[Path, Any]

    @classmethod
    def after(cls, executor: FastExecutor, found: Mapping[Path, Any]) -> "_Again":
        """One that goes on in the place of `executor`: as graphql-core's own part executors, it shares what is its."""
        again = cls.__new__(cls)
        vars(again).update(vars(executor), found=found)
        return again

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: list[FieldDetails],
        path: Path,
        position_context: Any,
    ) -> Any:
        """The completed value of a field, of what was found if it was."""
        if path not in self.found:
            return super().execute_field(
                parent_type, source, field_details_list, path, position_context
            )
        field = parent_type.fields[field_details_list[0].node.name.value]
        nodes = [one.node for one in field_details_list]
        info = self.build_resolve_info(field, nodes, parent_type, path)
        value = self.found[path]
        try:
            completed = self.complete_value(
                field.type, field_details_list, info, path, value, position_context
            )
        except Exception as error:
            self.handle_field_error(error, field.type, field_details_list, path)
            return None
        if not self.is_awaitable(completed):
            return completed
        return self._told(completed, field.type, field_details_list, path)

    async def _told(
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
