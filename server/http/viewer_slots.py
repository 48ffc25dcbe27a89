"""Limits the concurrent requests and WebSockets of each viewer, from sign-in to the end.

Anonymous clients have no slot; the limits of `server.process.protocols` apply to them.
"""

from contextvars import ContextVar
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from server.http.viewer_counter import ViewerCounter


class _Slot:
    """The slot of the current request; shared by all its tasks."""

    def __init__(self, counter: ViewerCounter) -> None:
        self._counter = counter
        self._key: str | None = None

    def take(self, key: str) -> None:
        if self._key is None:  # a second sign-in on a WebSocket takes no second slot
            self._counter.take(key)
            self._key = key

    def leave(self) -> None:
        if self._key is not None:
            self._counter.give_back(self._key)


_current: Final[ContextVar[_Slot | None]] = ContextVar("slot", default=None)


def take_slot(key: str) -> None:
    """Take a slot for the current request; does nothing outside of one. Raises `TooMuch`."""
    slot = _current.get()
    if slot is not None:
        slot.take(key)


class ViewerSlots:
    """ASGI middleware: limits the concurrent requests and WebSockets of each viewer."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self.counter = ViewerCounter(most, what="requests and WebSockets")
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and release its slot at the end."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        slot = _Slot(self.counter)
        before = _current.set(slot)
        try:
            await self._app(scope, receive, send)
        finally:
            _current.reset(before)
            slot.leave()
