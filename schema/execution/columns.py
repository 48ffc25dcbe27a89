"""Completes a list of objects field by field over all of them, level by level.

The values of a field are resolved for all records of a level at once, wherever they are in the result. So a loader is called
once, and no object needs a task. On any error the list is given up; the values resolved so far are kept.
"""

from asyncio import gather
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from graphql import (
    GraphQLList,
    GraphQLNonNull,
    GraphQLOutputType,
    GraphQLResolveInfo,
    get_argument_values,
)
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import Path
from strawberry import Info
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from db.sql.rows import Rows, concatenate
from resolvers.request.batch_resolver import BatchResolver
from schema.binding import Source, field_of
from schema.execution.codegen import LISTS
from schema.execution.collected_fields import Collected
from schema.execution.plan import Column, Completion, ObjectPlan
from schema.execution.resolver_calls import Arguments
from schema.execution.selection import Unforeseen

Place = Callable[[int], Path]
"""The path in the result of the value with this number."""


class ListCompletion:
    """The completion of one list of an operation."""

    def __init__(
        self, executor: StrawberryGraphQLCoreExecutionContext, collected: Collected
    ) -> None:
        self._executor = executor
        self._collected = collected
        self._found: list[tuple[Place, Sequence[Any]]] = []

    def resolved_values(self) -> Mapping[Path, Any]:
        """The values that resolvers returned so far, by path."""
        return {
            place(number): value
            for place, values in self._found
            for number, value in enumerate(values)
        }

    async def complete(
        self,
        completion: Completion,
        values: Sequence[Any],
        details: list[FieldDetails],
        place: Place,
    ) -> list[Any]:
        """The completed values. Raises `Unforeseen`, or any error of a resolver."""
        if completion.complete is not None:
            return completion.complete(values)
        assert completion.objects is not None
        return await self._values(completion.of, completion.objects, values, details, place)

    async def _values(
        self,
        of: GraphQLOutputType,
        objects: ObjectPlan,
        values: Sequence[Any],
        details: list[FieldDetails],
        place: Place,
    ) -> list[Any]:
        if isinstance(of, GraphQLNonNull):
            return await self._present(of.of_type, objects, values, details, place)
        if type(values) is Rows:
            return await self._present(of, objects, values, details, place)
        kept = [number for number, value in enumerate(values) if value is not None]
        if len(kept) == len(values):
            return await self._present(of, objects, values, details, place)
        completed = await self._present(
            of, objects, [values[number] for number in kept], details, lambda at: place(kept[at])
        )
        out: list[Any] = [None] * len(values)
        for number, value in zip(kept, completed, strict=True):
            out[number] = value
        return out

    async def _present(
        self,
        of: GraphQLOutputType,
        objects: ObjectPlan,
        values: Sequence[Any],
        details: list[FieldDetails],
        place: Place,
    ) -> list[Any]:
        """Complete values that must not be None."""
        if not isinstance(of, GraphQLList):
            return await self._objects(objects, values, details, place)
        if not LISTS.issuperset(map(type, values)):
            raise Unforeseen
        ends = list(accumulate(map(len, values), initial=0))

        def place_of_part(number: int) -> Path:
            whole = bisect_right(ends, number) - 1
            return place(whole).add_key(number - ends[whole])

        parts = concatenate(values)
        completed = await self._values(of.of_type, objects, parts, details, place_of_part)
        return [completed[start:end] for start, end in pairwise(ends)]

    async def _objects(
        self,
        objects: ObjectPlan,
        records: Sequence[Any],
        details: list[FieldDetails],
        place: Place,
    ) -> list[dict[str, Any]]:
        if not records:
            return []
        is_of_rows = type(records) is Rows and records.record is objects.record
        if not is_of_rows and not all(isinstance(record, objects.record) for record in records):
            raise Unforeseen
        fields = self._executor.collect_subfields(objects.of, details).grouped_field_set
        columns = [
            self._column(objects, column, records, fields[column.key], place)
            for column in objects.columns
        ]
        if len(columns) == 1:
            completed: list[Any] = [await columns[0]]
        else:
            # Wait for all, also if one fails: the fallback uses their values.
            completed = await gather(*columns, return_exceptions=True)
            for one in completed:
                if isinstance(one, BaseException):
                    raise one
        return objects.assemble(records, *completed)

    async def _column(
        self,
        objects: ObjectPlan,
        column: Column,
        records: Sequence[Any],
        details: list[FieldDetails],
        place: Place,
    ) -> list[Any]:
        name = objects.of.name

        def place_of_field(number: int) -> Path:
            return Path(place(number), column.key, name)

        source = column.source
        if isinstance(source, Source):
            values: Sequence[Any] = list(map(source.value, records))
        else:
            resolve = self._resolve_each if source is None else self._resolve_all
            values = await resolve(objects, column, records, details, place_of_field)
            self._found.append((place_of_field, values))
        return await self.complete(column.completion, values, details, place_of_field)

    async def _resolve_all(
        self,
        objects: ObjectPlan,
        column: Column,
        records: Sequence[Any],
        details: list[FieldDetails],
        place: Place,
    ) -> Sequence[Any]:
        """Call a resolver once for all records."""
        assert isinstance(column.source, BatchResolver)
        try:
            info = Info(self._info(objects, column, details, place(0)), field_of(column.field))
            values = await column.source.of_all(records, info, **self._given(column, details))
        except Exception:
            # Call it per record to find out which records it fails for.
            return await self._resolve_each(objects, column, records, details, place)
        if len(values) != len(records):
            raise Unforeseen
        return values

    async def _resolve_each(
        self,
        objects: ObjectPlan,
        column: Column,
        records: Sequence[Any],
        details: list[FieldDetails],
        place: Place,
    ) -> Sequence[Any]:
        """Call a resolver for each record."""
        resolve = column.field.resolve
        if resolve is None:
            raise Unforeseen
        values: list[Any] = []
        waiting: list[int] = []
        for number, record in enumerate(records):
            try:
                info = self._info(objects, column, details, place(number))
                value = resolve(record, info, **self._arguments(column, details))
            except Exception as error:
                value = error
            if self._executor.is_awaitable(value):
                waiting.append(number)
            values.append(value)
        arrived = await gather(*(values[number] for number in waiting), return_exceptions=True)
        for number, value in zip(waiting, arrived, strict=True):
            values[number] = value
        return values

    def _info(
        self, objects: ObjectPlan, column: Column, details: list[FieldDetails], path: Path
    ) -> GraphQLResolveInfo[Any]:
        nodes = [one.node for one in details]
        return self._executor.build_resolve_info(column.field, nodes, objects.of, path)

    def _given(self, column: Column, details: list[FieldDetails]) -> Arguments:
        """The arguments of a resolver of many records."""
        schema = self._executor.schema
        call = self._collected.call(schema, column.field, details)
        if call is None:
            raise Unforeseen
        return (
            call.with_arguments(schema, details[0], self._executor.variable_values).arguments or {}
        )

    def _arguments(self, column: Column, details: list[FieldDetails]) -> dict[str, Any]:
        node = details[0].node
        if not column.field.args and not node.arguments:
            return {}
        return get_argument_values(
            column.field,
            node,
            self._executor.variable_values,
            details[0].fragment_variable_values,
            self._executor.hide_suggestions,
        )
