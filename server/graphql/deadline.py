"""Runs operations with a timeout, and answers those that exceed it.

`db.connect.deadline` cancels their statements.
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
from schema.errors import client_error


async def run_within(
    running: Coroutine[Any, Any, ExecutionResult], *, kind: OperationType | None, seconds: float
) -> ExecutionResult:
    """The result of an operation. Raises `TimedOut` for a query that exceeds its time, `Outage` if the database is away.

    A mutation returns its result in any case: fields that were executed stay executed, and the others hold the error.
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


async def stream_within(
    results: Any, *, kind: OperationType | None, seconds: float
) -> AsyncGenerator[Any, None]:
    """The results of an operation. Each event of a subscription has the whole time; waiting for an event does not count.

    Iterate over it in a task of its own.
    """
    if kind is not OperationType.SUBSCRIPTION:
        try:
            yield await run_within(_only(results), kind=kind, seconds=seconds)
        except (TimedOut, Outage) as late:
            error = client_error(GraphQLError("it could not be answered", original_error=late))
            yield PreExecutionError(data=None, errors=[error])
        return
    with each_within(seconds):
        async with aclosing(results):
            async for result in results:
                yield result


async def _only(results: Any) -> Any:
    async with aclosing(results):
        return await anext(results)
