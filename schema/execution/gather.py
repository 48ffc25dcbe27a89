"""Fields that are under way side by side: where one fails or all are called off, all have ended before anybody goes on."""

from asyncio import FIRST_EXCEPTION, CancelledError, Future, ensure_future, wait
from collections.abc import Awaitable, Collection
from typing import Any, cast

from graphql.execution import executor


async def gather_with_cancel(*awaitables: Awaitable[Any]) -> list[Any]:
    """What each comes to, in their order. Raises what one raises that fails first, once the others have been called off."""
    futures = [ensure_future(one) for one in awaitables]
    try:
        await wait(futures, return_when=FIRST_EXCEPTION)
        return [future.result() for future in futures if future.done()]
    except BaseException:
        await call_off(futures)
        raise


async def call_off(futures: Collection[Future[Any]]) -> None:
    """Cancel these, and come back when all have ended, also for whoever is canceled meanwhile."""
    canceled: CancelledError | None = None
    for future in futures:
        future.cancel()
    # Canceled once only: they may be giving a connection back, which a second time would break off.
    while pending := [future for future in futures if not future.done()]:
        try:
            await wait(pending)
        except CancelledError as fault:
            canceled = fault
    for future in futures:
        if not future.cancelled():
            future.exception()  # looked at, or Python says in the log that nobody did
    if canceled is not None:
        raise canceled


def end_together() -> None:
    """Have graphql-core gather fields so.

    Its own looks away where it is canceled in the very moment in which a field has failed: those beside it then go on, and ask
    for all that is selected below them, when the operation has long been answered
    (https://github.com/graphql-python/graphql-core/issues/217).
    """
    cast(Any, executor).gather_with_cancel = gather_with_cancel
