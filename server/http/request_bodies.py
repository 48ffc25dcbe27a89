"""Reads request bodies, with a limit of size and of time."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http.headers import first
from server.http.responses import TooLarge, TooSlow, UnsupportedCoding

SLOWEST: Final = 1024
"""Bytes a second: a body that arrives faster has no time limit."""

_MOST_DIGITS: Final = 18
"""Maximum digits of a Content-Length; parsing a longer one would only cost time."""


async def read_whole(request: Request, most: int, *, advice: str) -> bytearray:
    """The body. Raises as `read_pieces` does."""
    _require_readable(request, most, advice)
    body, goes_on = bytearray(), True
    while goes_on:
        piece, goes_on = await _next(request)
        body += piece
        if len(body) > most:
            raise _too_large(most, advice)
    return body


async def read_pieces(request: Request, most: int, *, advice: str) -> AsyncGenerator[bytes, None]:
    """The body in pieces. Raises `TooLarge` beyond `most` bytes, at once if its Content-Length says so.

    `advice` completes the error. Raises `UnsupportedCoding` for a compressed body, whose size is unknown until it is unpacked.
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
    """Pass if the headers of a request announce a body that can be read."""
    coding = first(request.scope, b"content-encoding")
    if coding is not None and coding.strip().lower() != "identity":
        raise UnsupportedCoding(
            "The body has a Content-Encoding. Send it as it is, not compressed, without that header."
        )
    length = first(request.scope, b"content-length")
    if length and length.isdecimal() and (len(length) > _MOST_DIGITS or int(length) > most):
        raise _too_large(most, advice)


async def _next(request: Request) -> tuple[bytes, bool]:
    """A piece of the body, and whether more follows. Raises `ClientDisconnect`."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


def _too_large(most: int, advice: str) -> TooLarge:
    return TooLarge(f"The body is larger than {most} bytes. {advice}")


class BodyTimeout:
    """ASGI middleware: limits the time for which the server waits for a body, beyond what `SLOWEST` allows.

    Only the waiting counts, not the time in which a route handles a piece. After the timeout, `receive` raises `TooSlow`; for a
    route that has started its response it returns `http.disconnect`.
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
    """The body of one request."""

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
        return self._account(message, waited=now() - began)

    def _account(self, message: Message, *, waited: float) -> Message:
        earned = len(message.get("body", b"")) / SLOWEST
        self._left = min(self._left - waited + earned, self._seconds)
        self._is_whole = not message.get("more_body", False)
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """As the server's."""
        self._is_answered = True
        return self._send(message)
