"""Limits the concurrent requests and WebSockets of each viewer, from sign-in to the end.

Anonymous clients have no slot; the limits of `server.process.protocols` apply to them.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from domain.errors import RateLimited


class ViewerCounter:
    """The counts of all viewers, by the key that `domain.viewer.viewer_key` makes."""

    def __init__(self, most: int, *, what: str) -> None:
        """`most`: the limit per viewer. `what` names the counted things in the error: "WebSockets"."""
        self.most = most
        self._what = what
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        """The total of all viewers."""
        return self._counts.total()

    def take(self, key: str) -> None:
        """Count one more for a viewer. Raises `RateLimited` at the limit, and counts nothing."""
        if self._counts[key] >= self.most:
            raise RateLimited(
                f"You have {self.most} {self._what} under way, which is all you may. End one first.",
                retry_after=1,
            )
        self._counts[key] += 1

    def give_back(self, key: str) -> None:
        """Count one less for a viewer."""
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]

    @contextmanager
    def one(self, key: str) -> Iterator[None]:
        """Count one more within the block. Raises as `take`."""
        self.take(key)
        try:
            yield
        finally:
            self.give_back(key)


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
    """Take a slot for the current request; does nothing outside of one. Raises `RateLimited`."""
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
