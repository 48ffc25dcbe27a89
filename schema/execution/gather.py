"""Runs fields concurrently; if one fails or the operation is canceled, waits until all have ended."""

from asyncio import FIRST_EXCEPTION, CancelledError, Future, ensure_future, wait
from collections.abc import Awaitable, Collection
from importlib.metadata import version
from typing import Any, cast

from graphql import pyutils
from graphql.execution import executor


async def gather_with_cancel(*awaitables: Awaitable[Any]) -> list[Any]:
    """The results, in order. Raises the error of the first that fails, after canceling the others."""
    futures = [ensure_future(awaitable) for awaitable in awaitables]
    try:
        await wait(futures, return_when=FIRST_EXCEPTION)
        return [future.result() for future in futures if future.done()]
    except BaseException:
        await cancel_and_wait(futures)
        raise


async def cancel_and_wait(futures: Collection[Future[Any]]) -> None:
    """Cancel these and wait until all have ended, even if the caller is canceled meanwhile."""
    canceled: CancelledError | None = None
    for future in futures:
        future.cancel()
    # Cancel once only: they may be returning a connection, which a second cancel would interrupt.
    while pending := [future for future in futures if not future.done()]:
        try:
            await wait(pending)
        except CancelledError as error:
            canceled = error
    for future in futures:
        if not future.cancelled():
            future.exception()  # retrieve it, or Python logs that nobody did
    if canceled is not None:
        raise canceled


def replace_gather() -> None:
    """Replace graphql-core's `gather_with_cancel` by ours.

    If it is canceled at the moment in which a field has failed, the original leaves the other fields running, and they load all
    that is selected below them after the response (https://github.com/graphql-python/graphql-core/issues/217).
    Raises `ImportError` if there is nothing to replace: another version may run fields by another function.
    """
    if vars(executor).get("gather_with_cancel") is not pyutils.gather_with_cancel:
        raise ImportError(
            "Expected graphql-core 3.3, whose executor runs fields by `graphql.pyutils.gather_with_cancel`; "
            f"found {version('graphql-core')}, which does not. Install the version in requirements.txt."
        )
    cast(Any, executor).gather_with_cancel = gather_with_cancel
