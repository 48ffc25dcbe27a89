"""Bodies of requests as they come in: none is larger than its route reads, and none is waited for without end.

What a body says is its route's business.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http.begun import Begun
from server.http.headers import first
from server.http.responses import TooLarge, TooSlow, UnsupportedCoding

SLOWEST: Final = 1024
"""Bytes a second: a body that comes faster may take as long as it needs."""

_MOST_DIGITS: Final = 18
"""Of a length; a longer one is no length, and takes ever longer to read as a number."""


async def whole(request: Request, most: int, *, advice: str) -> bytearray:
    """The body. Raises as `pieces` does."""
    _require_readable(request, most, advice)
    body, goes_on = bytearray(), True
    while goes_on:
        piece, goes_on = await _next(request)
        body += piece
        if len(body) > most:
            raise _too_large(most, advice)
    return body


async def pieces(request: Request, most: int, *, advice: str) -> AsyncGenerator[bytes, None]:
    """The body, piece by piece. Raises `TooLarge` beyond `most` bytes; at once where its length says so.

    `advice` tells what to do instead. Raises `UnsupportedCoding` for one that is compressed: some bytes can be made into any
    number of others.
    """
    _require_readable(request, most, advice)
    size, goes_on = 0, True
    while goes_on:
        piece, goes_on = await _next(request)
        size += len(piece)
        if size > most:
            raise _too_large(most, advice)
        if piece:
            yield piece


def _require_readable(request: Request, most: int, advice: str) -> None:
    """Pass if the head of a request announces nothing that is not read."""
    coding = first(request.scope, b"content-encoding")
    if coding is not None and coding.strip().lower() != "identity":
        raise UnsupportedCoding(
            "The body has a Content-Encoding. Send it as it is, not compressed, without that header."
        )
    said = first(request.scope, b"content-length")
    if said and said.isdecimal() and (len(said) > _MOST_DIGITS or int(said) > most):
        raise _too_large(most, advice)


async def _next(request: Request) -> tuple[bytes, bool]:
    """A piece of the body, and whether more is to come. Raises `ClientDisconnect` where its sender is gone."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


def _too_large(most: int, advice: str) -> TooLarge:
    return TooLarge(f"The body is larger than {most} bytes. {advice}")


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
        begun = Begun(self._receive())
        if begun.is_over:
            return self._counted(begun.result, waited=0.0)
        now = asyncio.get_running_loop().time
        began = now()
        try:
            async with asyncio.timeout(self._left):
                message = await begun
        except TimeoutError:
            if self._is_answered:
                return {"type": "http.disconnect"}
            raise TooSlow(
                f"The body kept us waiting for more than {self._seconds:g} seconds. Send it again, without pauses."
            ) from None
        return self._counted(message, waited=now() - began)

    def _counted(self, message: Message, *, waited: float) -> Message:
        earned = len(message.get("body", b"")) / SLOWEST
        self._left = min(self._left - waited + earned, self._seconds)
        self._is_whole = not message.get("more_body", False)
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """As the server's."""
        self._is_answered = True
        return self._send(message)
