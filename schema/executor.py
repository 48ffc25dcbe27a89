"""How operations are executed, where that differs from Strawberry's way: lists are answered whole.

An ordinary executor answers each field of each object, and has a task for each object that waits. `FastExecutor` answers a
list by a function that was compiled for what is selected, and asks each resolver once for all records of a level. Where
anything is not as it is foreseen, the list is answered in the ordinary way, from what the resolvers have given already.
"""

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from graphql import (
    Executor,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    get_named_type,
)
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import Path, RefMap
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.context import Context
from resolvers.progress import Moment
from schema.columns import Columns
from schema.completion import LISTS
from schema.plan import Completion, Plans
from schema.reads import fields_read
from schema.selection import selection_of

_PLANS: Final = Plans()
_STREAM: Final = "stream"


class LogExecutor(StrawberryGraphQLCoreExecutionContext):
    """Answers each event of a subscription in the context that came with it; all else as Strawberry does.

    GraphQL knows one context an operation; an operation that goes on for hours would show what it loaded in the first second.
    """

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """The executor of one event, which is a `Moment`."""
        assert isinstance(payload, Moment), payload
        executor = super().build_per_event_executor(payload.shown)
        executor.context_value = payload.context
        return executor


class FastExecutor(LogExecutor):
    """Answers lists whole."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if isinstance(self.context_value, Context):
            self.context_value = replace(self.context_value, reads=self._fields_read)
        self._ways: RefMap[list[FieldDetails], dict[GraphQLOutputType, Completion | None]] = (
            RefMap()
        )

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
            columns = Columns(self)
            return self._in_columns(columns, how, values, item_type, field_details_list, rest)
        try:
            return how.complete(values)
        except Exception:
            return super().complete_iterable_value(item_type, field_details_list, *rest)

    def _how(
        self,
        of: GraphQLOutputType,
        details: list[FieldDetails],
        values: Iterable[Any],
        position_context: Any,
    ) -> Completion | None:
        """How a list is completed whole; None where it is not."""
        if type(values) not in LISTS or position_context is not None:
            return None
        ways: dict[GraphQLOutputType, Completion | None] | None = self._ways.get(details)
        if ways is None:
            ways = self._ways[details] = {}
        if of not in ways:
            ways[of] = self._way(of, details)
        return ways[of]

    def _way(self, of: GraphQLOutputType, details: list[FieldDetails]) -> Completion | None:
        """How lists of this type are completed whole below these fields; None where they are not."""
        named = get_named_type(of)
        if (
            not isinstance(named, GraphQLObjectType)
            or self.abort_signal is not None
            or (self.middleware_manager is not None and self.middleware_manager.middlewares)
            or any(_streams(one) for one in details)
        ):
            return None
        try:
            return _PLANS.plan(of, selection_of(named, details, self.collect_subfields))
        except Exception:
            # The ordinary way meets it again, and tells it in its place.
            return None

    def _fields_read(
        self, info: GraphQLResolveInfo[Context], record: type
    ) -> frozenset[str] | None:
        """What is read of records of a class in what stands below the field of `info`; None where any may be."""
        named = get_named_type(info.return_type)
        details = [FieldDetails(node, None) for node in info.field_nodes]
        if not isinstance(named, GraphQLObjectType):
            return None
        try:
            return fields_read(selection_of(named, details, self.collect_subfields), record)
        except Exception:
            return None

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


class _Again(LogExecutor):
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
