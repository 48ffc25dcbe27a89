"""Bodies of requests as they come in: none is larger than its route reads, and none is waited for without end.

What a body says is its route's business.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.answers import TooLarge, TooSlow, UnsupportedCoding

SLOWEST: Final = 1024
"""Bytes a second: a body that comes faster may take as long as it needs."""

_MOST_DIGITS: Final = 18
"""Of a length; a longer one is no length, and takes ever longer to read as a number."""


async def pieces(request: Request, most: int, *, advice: str) -> AsyncGenerator[bytes, None]:
    """The body, piece by piece. Raises `TooLarge` beyond `most` bytes; at once where its length says so.

    `advice` tells what to do instead. Raises `UnsupportedCoding` for one that is compressed: some bytes can be made into any
    number of others.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedCoding(
            "The body has a Content-Encoding. Send it as it is, not compressed, without that header."
        )
    refusal = TooLarge(f"The body is larger than {most} bytes. {advice}")
    said = request.headers.get("content-length", "")
    if said.isdecimal() and (len(said) > _MOST_DIGITS or int(said) > most):
        raise refusal
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise refusal
        yield piece


class Patience:
    """ASGI middleware: a body may keep the server waiting for some seconds beyond what `SLOWEST` allows.

    Counted is only what is waited for: a route that takes long over a piece takes nothing from whoever sends. Past that,
    `receive` raises `TooSlow`, or tells a route that answers already that nobody is there any more.
    """

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, send, seconds=self._seconds)
        await self._app(scope, body.receive, body.send)


class _Body:
    """One body on its way."""

    def __init__(self, receive: Receive, send: Send, *, seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._seconds = seconds
        self._left = seconds
        self._is_whole = False
        self._is_answered = False

    async def receive(self) -> Message:
        """As the server's."""
        if self._is_whole:
            return await self._receive()
        now = asyncio.get_running_loop().time
        began = now()
        try:
            async with asyncio.timeout(self._left):
                message = await self._receive()
        except TimeoutError:
            if self._is_answered:
                return {"type": "http.disconnect"}
            raise TooSlow(
                f"The body kept us waiting for more than {self._seconds:g} seconds. Send it again, without pauses."
            ) from None
        earned = len(message.get("body", b"")) / SLOWEST
        self._left = min(self._left - (now() - began) + earned, self._seconds)
        self._is_whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """As the server's."""
        self._is_answered = True
        await self._send(message)
