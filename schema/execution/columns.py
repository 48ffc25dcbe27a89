"""Completes a list of objects field by field over all of them, level by level.

The values of a field are resolved for all records of a level at once, wherever they are in the result. So a loader is called
once, and no object needs a task. On any error the list is given up; the values resolved so far are kept.
"""

from asyncio import gather
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
)
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import Path
from strawberry import Info

from db.sql.rows import Rows, concatenate
from resolvers.request.batch_resolver import BatchResolver
from schema.binding import Source
from schema.execution.codegen import LISTS
from schema.execution.fallbacks import Unforeseen, record_fallback
from schema.execution.plan import Column, Completion, ObjectPlan
from schema.execution.resolver_calls import Call

if TYPE_CHECKING:
    from schema.execution.executor import FastExecutor

Place = Callable[[int], Path]
"""The path in the result of the value with this number."""


class ListCompletion:
    """The completion of one list of an operation."""

    def __init__(self, executor: "FastExecutor") -> None:
        self._executor = executor
        self._resolved: list[tuple[Place, Sequence[Any]]] = []

    def resolved_values(self) -> Mapping[Path, Any]:
        """The values that resolvers returned so far, by path."""
        return {
            place(number): value
            for place, values in self._resolved
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
        """Complete values of a type: null, lists of values, or objects."""
        if isinstance(of, GraphQLNonNull):
            of = of.of_type
        elif type(values) is not Rows and any(value is None for value in values):
            kept = [number for number, value in enumerate(values) if value is not None]
            present = [values[number] for number in kept]
            completed = iter(
                await self._values(of, objects, present, details, lambda at: place(kept[at]))
            )
            return [None if value is None else next(completed) for value in values]
        if not isinstance(of, GraphQLList):
            return await self._objects(objects, values, details, place)
        if not LISTS.issuperset(map(type, values)):
            raise Unforeseen("no list")
        ends = list(accumulate(map(len, values), initial=0))

        def place_of_part(number: int) -> Path:
            whole = bisect_right(ends, number) - 1
            return place(whole).add_key(number - ends[whole])

        parts = await self._values(of.of_type, objects, concatenate(values), details, place_of_part)
        return [parts[start:end] for start, end in pairwise(ends)]

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
            raise Unforeseen("another record")
        fields = self._executor.collect_subfields(objects.of, details).grouped_field_set
        columns = [
            self._column(objects.of, column, records, fields[column.key], place)
            for column in objects.columns
        ]
        if len(columns) == 1:
            completed: list[Any] = [await columns[0]]
        else:
            # Wait for all, also if one fails: the fallback uses their values.
            completed = await gather(*columns, return_exceptions=True)
            for values in completed:
                if isinstance(values, BaseException):
                    raise values
        return objects.assemble(records, *completed)

    async def _column(
        self,
        of: GraphQLObjectType,
        column: Column,
        records: Sequence[Any],
        details: list[FieldDetails],
        place: Place,
    ) -> list[Any]:
        def place_of_field(number: int) -> Path:
            return Path(place(number), column.key, of.name)

        if isinstance(column.source, Source):
            values: Sequence[Any] = list(map(column.source.value, records))
        else:
            call = self._executor.call(of, details)
            if call is None:
                raise Unforeseen("a resolver that Strawberry calls")
            nodes = [field.node for field in details]

            def info(number: int) -> GraphQLResolveInfo[Any]:
                path = place_of_field(number)
                return self._executor.build_resolve_info(call.field, nodes, of, path)

            values = await self._resolve(call, column.source, records, info)
            self._resolved.append((place_of_field, values))
        return await self.complete(column.completion, values, details, place_of_field)

    async def _resolve(
        self,
        call: Call,
        batch: BatchResolver[Any, ..., Any] | None,
        records: Sequence[Any],
        info: Callable[[int], GraphQLResolveInfo[Any]],
    ) -> Sequence[Any]:
        """The values of a resolver, which is called once if it takes all records; an error is a value."""
        fault: Exception | None = None
        if batch is not None:
            try:
                first = Info(info(0), call.strawberry_field)
                values = await batch.of_all(records, first, **(call.arguments or {}))
                if len(values) == len(records):
                    return values
                fault = ValueError(
                    f"{batch.__name__}: {len(values)} values, {len(records)} records"
                )
            except Exception as error:
                fault = error
        # Call it per record: if it failed for all together, this tells for which ones it fails.
        calls = [call.call(record, info(number)) for number, record in enumerate(records)]
        values = await gather(*calls, return_exceptions=True)
        if fault and not any(isinstance(value, BaseException) for value in values):
            record_fallback(fault, strict=self._executor.strict)
        return values
