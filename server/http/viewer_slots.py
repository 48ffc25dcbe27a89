"""The place that a request or a WebSocket takes of those that its viewer has, from the sign-in to its end.

Who is not signed in has none: against strangers there are the limits of `server.process.protocols`.
"""

from contextvars import ContextVar
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from server.http.counted import Held


class _Place:
    """What the request at hand holds; shared by every task that works for it."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._key: str | None = None

    def take(self, key: str) -> None:
        if self._key is None:  # whoever signs in twice on a WebSocket is still one
            self._held.take(key)
            self._key = key

    def leave(self) -> None:
        if self._key is not None:
            self._held.give_back(self._key)


_current: Final[ContextVar[_Place | None]] = ContextVar("place", default=None)


def take_place(key: str) -> None:
    """The request at hand is this viewer's; outside a request nothing happens. Raises `TooMuch`."""
    place = _current.get()
    if place is not None:
        place.take(key)


class Places:
    """ASGI middleware: each viewer has so many requests and WebSockets at once, and no more."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self.held = Held(most, what="requests and WebSockets")
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and give its place back when it has ended."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        place = _Place(self.held)
        before = _current.set(place)
        try:
            await self._app(scope, receive, send)
        finally:
            _current.reset(before)
            place.leave()
