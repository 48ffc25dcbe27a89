"""Fields that run concurrently: the waiter continues when all have ended, in success, failure or cancellation."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from graphql import build_schema, execute, parse
from graphql.execution import executor

from schema.execution.executor import LogExecutor
from schema.execution.gather import cancel_and_wait, replace_gather

CALLED_OFF = pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited:RuntimeWarning",
    "ignore:Exception ignored in. <coroutine object:pytest.PytestUnraisableExceptionWarning",
)
"""A task that is cancelled before its first step never awaits what it was given."""

STEPS = range(1, 8)
"""After how many steps of the loop it is canceled: before, in and after the moment in which one has failed."""


async def fails() -> None:
    raise ZeroDivisionError


class Slow:
    """Something that goes on until it is called off, and then takes a while to end."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0

    async def __call__(self) -> Any:
        self.begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(3):
                await asyncio.sleep(0)
            self.ended += 1


async def ends(waiting: Awaitable[Any], *, canceled_after: int, again_after: int) -> BaseException:
    """What comes of something that is canceled twice, after so many steps each."""
    task = asyncio.ensure_future(waiting)
    for steps in (canceled_after, again_after):
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
    with pytest.raises((asyncio.CancelledError, ZeroDivisionError)) as ended:
        await task
    return ended.value


def beside(*others: Callable[[], Awaitable[Any]]) -> Awaitable[Any]:
    """What graphql-core makes of fields that stand side by side."""
    return LogExecutor.gather_async_work(cast(Any, None), [other() for other in others])


@CALLED_OFF
@pytest.mark.parametrize("canceled_after", STEPS)
@pytest.mark.parametrize("again_after", STEPS)
async def test_nothing_goes_on_whenever_it_is_canceled(
    canceled_after: int, again_after: int
) -> None:
    before = asyncio.all_tasks()
    near, far = Slow(), Slow()

    fields = beside(near, fails, lambda: beside(far, fails))
    await ends(fields, canceled_after=canceled_after, again_after=again_after)

    assert asyncio.all_tasks() == before
    assert (near.ended, far.ended) == (near.begun, far.begun)


async def test_a_cancellation_while_the_others_end_is_kept() -> None:
    slow = Slow()
    ended = await ends(beside(slow, fails), canceled_after=3, again_after=1)

    assert isinstance(ended, asyncio.CancelledError)
    assert (slow.begun, slow.ended) == (1, 1)


async def test_what_has_ended_already_is_called_off_at_once() -> None:
    failed = asyncio.ensure_future(fails())
    await asyncio.wait([failed])

    await cancel_and_wait([failed])

    assert isinstance(failed.exception(), ZeroDivisionError)


@CALLED_OFF
@pytest.mark.parametrize("document", ["{ slow fails }", "{ slow below { slow fails } }"])
async def test_what_stands_beside_a_field_that_fails_before_it_waits_ends_with_the_answer(
    document: str,
) -> None:
    before = asyncio.all_tasks()
    slow = Slow()

    class Record:
        def slow(self, info: object) -> Awaitable[None]:
            return slow()

        def fails(self, info: object) -> Awaitable[None]:
            raise ZeroDivisionError

        async def below(self, info: object) -> "Record":
            return self

    made = build_schema(
        "type Query { slow: Int, fails: Int!, below: Below! } type Below { slow: Int, fails: Int! }"
    )
    answer = execute(made, parse(document), Record(), executor_class=LogExecutor)
    assert inspect.isawaitable(answer)
    result = await answer

    assert (result.data, len(result.errors or ())) == (None, 1)
    assert asyncio.all_tasks() == before
    assert slow.begun == slow.ended


def test_a_graphql_core_that_runs_fields_by_another_function_is_refused_at_import(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(executor, "gather_with_cancel")

    with pytest.raises(ImportError, match=r"Expected graphql-core 3\.3.*found \d"):
        replace_gather()
