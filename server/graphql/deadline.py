"""Operations, each in its time: what is answered where one took too long.

How its statements are stopped is `db.connect.deadline`'s.
"""

from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any

from graphql import GraphQLError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from db.connect.deadline import each_within, within
from domain.errors import Outage, TimedOut
from schema.errors import coded


async def answered(
    running: Coroutine[Any, Any, ExecutionResult], *, kind: OperationType | None, seconds: float
) -> ExecutionResult:
    """What an operation comes to. Raises `TimedOut` where a query was not whole in time, `Outage` where the database is away.

    A mutation that does several things is answered all the same: those done before have been done, and the rest tell of
    the time in their places.
    """
    result = await within(seconds, running)
    if kind is not OperationType.MUTATION:
        for error in result.errors or ():
            code = (error.extensions or {}).get("code")
            if code == TimedOut.code:
                raise TimedOut(error.message)
            if code == Outage.code:
                raise Outage
    return result


async def streamed(
    results: Any, *, kind: OperationType | None, seconds: float
) -> AsyncGenerator[Any, None]:
    """The results of an operation as they come: of a subscription each has the whole time, however long it was waited for.

    To be read in a task of its own.
    """
    if kind is not OperationType.SUBSCRIPTION:
        try:
            yield await answered(_only(results), kind=kind, seconds=seconds)
        except (TimedOut, Outage) as late:
            told = coded(GraphQLError("it could not be answered", original_error=late))
            yield PreExecutionError(data=None, errors=[told])
        return
    with each_within(seconds):
        async with aclosing(results):
            async for result in results:
                yield result


async def _only(results: Any) -> Any:
    async with aclosing(results):
        return await anext(results)
