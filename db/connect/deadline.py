"""How long an operation may use the database: when its time is up, its statements are canceled and no more are begun.

Which operations have a limit, and what is answered then, is not said here.
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
"""Seconds in which a statement that was canceled comes back; SQLite cannot be stopped while it waits for a lock."""

_HELD_BY: Final = "sentlog_held_by"

_log = structlog.get_logger(__name__)


class _Limit:
    """The time of one operation, and the connections that it holds now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_over = False
        self.held: set[Any] = set()

    def hold(self, connection: Any) -> None:
        """Note that a connection was checked out."""
        self.held.add(connection)

    def release(self, connection: Any) -> None:
        """Note that it is back."""
        self.held.discard(connection)

    def refusal(self) -> TimedOut:
        """What to raise when it is over."""
        return TimedOut(
            f"The operation took longer than {self.seconds:g} seconds and was stopped. "
            "Ask for less at once, or again later."
        )

    async def end(self) -> None:
        """Let no more statements begin, and cancel those that run."""
        self.is_over = True
        await asyncio.gather(*map(_cancel, tuple(self.held)))


class _Recurring(_Limit):
    """The time of each moment of a subscription: from the first connection it takes until it holds none."""

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
    """What `running` comes to. When its time is up, whatever it asks of a database raises `TimedOut`, in its place.

    Raises `TimedOut` where it does not end even so. Whoever is canceled here leaves no statement running.
    """
    limit, context = _Limit(seconds), copy_context()
    context.run(_LIMIT.set, limit)
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    task = loop.create_task(_telling(running, over), context=context)
    timer = loop.call_later(seconds, _tell, over)
    try:
        await over
        if not task.done():
            await limit.end()
            await asyncio.wait({task}, timeout=GRACE)
    finally:
        timer.cancel()
        if not task.done():
            # The statements first: a driver that is left in the middle of one gives its connection up.
            await limit.end()
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE)
        if task.done() and not task.cancelled():
            task.exception()  # looked at, also where it is not raised from here
    if not task.done() or task.cancelled():
        raise limit.refusal()
    return task.result()


async def _telling(running: Coroutine[Any, Any, T], over: asyncio.Future[None]) -> T:
    """The same, and whoever waits is told in the turn of the loop in which it ends, not in the one after the next."""
    try:
        return await running
    finally:
        _tell(over)


def _tell(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)


@contextmanager
def each_within(seconds: float) -> Iterator[None]:
    """Inside the block, nothing may use the database for longer at one time: what lasts longer raises `TimedOut`."""
    token = _LIMIT.set(_Recurring(seconds))
    try:
        yield
    finally:
        # A generator that is closed from elsewhere leaves a context that is not its own.
        with suppress(ValueError):
            _LIMIT.reset(token)


@contextmanager
def untimed() -> Iterator[None]:
    """Inside the block, tasks begin that go on when the operation has ended: its limit is not theirs."""
    token = _LIMIT.set(None)
    try:
        yield
    finally:
        _LIMIT.reset(token)


def keep_time(engine: AsyncEngine) -> None:
    """Have the connections of an engine keep to the limit of whoever uses them."""
    sync = engine.sync_engine
    event.listen(sync, "checkout", _check_out)
    event.listen(sync, "checkin", _check_in)
    event.listen(sync, "before_cursor_execute", _before)
    event.listen(sync, "commit", _before)
    event.listen(sync, "handle_error", _told)


def hold(connection: Any) -> _Limit | None:
    """Have a connection keep to the limit of whoever uses it, until it is released; those of an engine do so by themselves."""
    limit = _LIMIT.get()
    if limit is not None:
        _refuse(limit)
        limit.hold(connection)
    return limit


def release(limit: _Limit | None, connection: Any) -> bool:
    """Have a connection that was held be free; whether the time was up, so that it may still be canceled."""
    if limit is None:
        return False
    was_over = limit.is_over
    limit.release(connection)
    return was_over


@contextmanager
def in_time(connection: Connection | Engine, text: str, parameters: Any) -> Iterator[None]:
    """Inside the block the driver runs a statement by itself: it is announced as any other, and keeps to the limit."""
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
    # Not the limit of the present context: what was forgotten is brought back by whoever finds it.
    if release(record.info.pop(_HELD_BY, None), connection):
        # The cancel may still be on its way, and must not meet the next one's statement.
        record.invalidate(soft=True)


def _before(*_: Any) -> None:
    # A commit too: what comes too late is not written.
    if (limit := _LIMIT.get()) is not None:
        _refuse(limit)


def _refuse(limit: _Limit) -> None:
    if limit.is_over:
        raise limit.refusal()


def _told(context: Any) -> None:
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
    except Exception as fault:  # it may be closed by now
        _log.warning("a statement could not be canceled", reason=type(fault).__name__)
