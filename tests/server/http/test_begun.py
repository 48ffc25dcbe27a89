"""An eagerly started awaitable has the same result as an awaited one."""

import asyncio
from typing import Any

import pytest

from server.http.begun import EagerAwait


async def after(*waits: Any, then: Any) -> Any:
    """What the last of `waits` came to, in the words of `then`."""
    said = None
    for wait in waits:
        said = await wait
    return then, said


async def test_what_waits_for_nothing_is_over_at_once() -> None:
    begun = EagerAwait(after(then="over"))

    assert begun.is_over
    assert begun.result == ("over", None)


async def test_what_waits_several_times_comes_to_its_end() -> None:
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()
    begun = EagerAwait(after(first, asyncio.sleep(0), second, then="over"))
    assert not begun.is_over
    loop.call_soon(first.set_result, 1)
    loop.call_soon(second.set_result, 2)

    assert await begun == ("over", 2)


async def failing(*waits: Any) -> None:
    await after(*waits, then="")
    raise ValueError("it failed")


@pytest.mark.parametrize("waits", [0, 1, 2])
async def test_what_it_raises_is_raised(waits: int) -> None:
    async def whole() -> None:
        await EagerAwait(failing(*(asyncio.sleep(0) for _ in range(waits))))

    with pytest.raises(ValueError, match="it failed"):
        await whole()


async def test_what_is_raised_where_it_waits_can_be_met_there() -> None:
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    refused.set_exception(ValueError("refused"))

    async def met() -> str:
        try:
            await asyncio.sleep(0)
            await refused
        except ValueError:
            await asyncio.sleep(0)
        try:
            await never
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            return "let go"
        return ""

    begun = EagerAwait(met())

    async def awaited() -> str:
        return await begun

    task = asyncio.ensure_future(awaited())
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()

    assert await task == "let go"


async def test_a_time_that_is_up_ends_what_waits() -> None:
    ended = []

    async def waiting() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append(True)

    begun = EagerAwait(waiting())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await begun

    assert ended == [True]
