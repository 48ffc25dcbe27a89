"""Time limits for database work: at the deadline of an operation its statements are canceled and no new ones start.

`server.graphql.deadline` sets the limits.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import TimedOut

T = TypeVar("T")

GRACE: Final = 5.0
"""Seconds to wait for a canceled statement to return; SQLite cannot be interrupted while it waits for a lock."""

_HELD_BY: Final = "sentlog_held_by"

_log = structlog.get_logger(__name__)


class _Limit:
    """The time limit of one operation, and the connections that it holds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_over = False
        self.held: set[Any] = set()

    def hold(self, connection: Any) -> None:
        """Record that a connection was checked out."""
        self.held.add(connection)

    def release(self, connection: Any) -> None:
        """Record that a connection was returned."""
        self.held.discard(connection)

    def refusal(self) -> TimedOut:
        """Return the error to raise when the time is over."""
        return TimedOut(
            f"The operation took longer than {self.seconds:g} seconds and was stopped. "
            "Request less at once, or try again later."
        )

    async def end(self) -> None:
        """Prevent new statements, and cancel the running ones."""
        self.is_over = True
        await asyncio.gather(*map(_cancel, tuple(self.held)))


class _RecurringLimit(_Limit):
    """The time limit of each event of a subscription: from its first connection until it holds none."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    def hold(self, connection: Any) -> None:
        if not self.held:
            self._timer = asyncio.get_running_loop().call_later(self.seconds, self._begin_end)
        super().hold(connection)

    def release(self, connection: Any) -> None:
        super().release(connection)
        if not self.held:
            self.is_over = False
            if self._timer is not None:
                self._timer.cancel()

    def _begin_end(self) -> None:
        self._ending = asyncio.ensure_future(self.end())


_LIMIT: Final[ContextVar[_Limit | None]] = ContextVar("sentlog_limit", default=None)


async def within(seconds: float, running: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine with a time limit and return its result; after the limit its statements raise `TimedOut`.

    Raises `TimedOut` if the coroutine does not end within `GRACE` after that. Canceling the caller cancels its statements.
    """
    limit, context = _Limit(seconds), copy_context()
    context.run(_LIMIT.set, limit)
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    task = loop.create_task(_run_and_wake(running, over), context=context)
    timer = loop.call_later(seconds, _wake, over)
    try:
        await over
        if not task.done():
            await limit.end()
            await asyncio.wait({task}, timeout=GRACE)
    finally:
        timer.cancel()
        if not task.done():
            # The statements first: a driver that is interrupted in the middle of one closes its connection.
            await limit.end()
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE)
        if task.done() and not task.cancelled():
            task.exception()  # retrieved, or asyncio logs it as never retrieved
    if not task.done() or task.cancelled():
        raise limit.refusal()
    return task.result()


async def _run_and_wake(running: Coroutine[Any, Any, T], over: asyncio.Future[None]) -> T:
    """Run it and wake the waiter in the same loop iteration."""
    try:
        return await running
    finally:
        _wake(over)


def _wake(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)


@contextmanager
def each_within(seconds: float) -> Iterator[None]:
    """Inside the block, raise `TimedOut` in database work that lasts longer than `seconds` without a break."""
    token = _LIMIT.set(_RecurringLimit(seconds))
    try:
        yield
    finally:
        # A generator that another task closes runs this in another context.
        with suppress(ValueError):
            _LIMIT.reset(token)


@contextmanager
def untimed() -> Iterator[None]:
    """Inside the block, new tasks have no time limit, so that they may outlive the operation."""
    token = _LIMIT.set(None)
    try:
        yield
    finally:
        _LIMIT.reset(token)


def keep_time(engine: AsyncEngine) -> None:
    """Apply the time limit of the current operation to the connections of an engine."""
    sync = engine.sync_engine
    event.listen(sync, "checkout", _check_out)
    event.listen(sync, "checkin", _check_in)
    event.listen(sync, "before_cursor_execute", _before)
    event.listen(sync, "commit", _before)
    event.listen(sync, "handle_error", _replace_error)


def hold(connection: Any) -> _Limit | None:
    """Apply the current operation's limit to a connection until `release`. `keep_time` does this for those of an engine."""
    limit = _LIMIT.get()
    if limit is not None:
        _refuse(limit)
        limit.hold(connection)
    return limit


def release(limit: _Limit | None, connection: Any) -> bool:
    """Undo `hold`; return whether the time was over, in which case a cancel may still be on its way."""
    if limit is None:
        return False
    was_over = limit.is_over
    limit.release(connection)
    return was_over


@contextmanager
def in_time(connection: Connection | Engine, text: str, parameters: Any) -> Iterator[None]:
    """Inside the block the driver runs a statement without SQLAlchemy; fire the engine's event for it and apply the limit."""
    connection.dispatch.before_cursor_execute(connection, None, text, parameters, None, False)
    try:
        yield
    except Exception as fault:
        limit = _LIMIT.get()
        if limit is not None and limit.is_over and not isinstance(fault, TimedOut):
            raise limit.refusal() from None
        raise


def _check_out(connection: Any, record: Any, proxy: Any) -> None:
    record.info[_HELD_BY] = hold(connection)


def _check_in(connection: Any, record: Any) -> None:
    # Not the limit of the current context: the garbage collector may return a connection in any context.
    if release(record.info.pop(_HELD_BY, None), connection):
        # The cancel may still be on its way, and must not hit the next caller's statement.
        record.invalidate(soft=True)


def _before(*_: Any) -> None:
    # A commit too, so that nothing is written after the time is over.
    if (limit := _LIMIT.get()) is not None:
        _refuse(limit)


def _refuse(limit: _Limit) -> None:
    if limit.is_over:
        raise limit.refusal()


def _replace_error(context: Any) -> None:
    limit = _LIMIT.get()
    if limit is not None and limit.is_over and not isinstance(context.original_exception, TimedOut):
        raise limit.refusal() from None


async def _cancel(connection: Any) -> None:
    driver = getattr(connection, "driver_connection", connection)
    try:
        if hasattr(driver, "cancel_safe"):
            await driver.cancel_safe(timeout=GRACE)
        else:
            await driver.interrupt()
    except Exception as fault:  # for instance, it may be closed
        _log.warning("canceling a statement failed", reason=type(fault).__name__)
