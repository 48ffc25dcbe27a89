"""Compressed answers, where whoever asks can read them: zstd, br or gzip, as `Accept-Encoding` prefers (RFC 9110, 12.5.3).

Only whole answers of a text are compressed, from a size on at which it pays. A stream of events is left as it is, since each
event has to arrive when it happens, as are downloads, which are sent in parts; files of reports are packed already.
"""

import gzip
from asyncio import to_thread
from collections.abc import Callable, Mapping
from typing import Final

import brotli
import zstandard
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.accept import weights_of

SMALLEST: Final = 1_400
"""Bytes: what fits into one packet arrives no earlier for being smaller."""

LARGE: Final = 128 * 1024
"""Bytes: beyond, others would wait for a millisecond and more while this is compressed."""

_TEXTS: Final = ("application/json", "application/graphql-response+json", "text/", "image/svg+xml")
_STREAM: Final = "text/event-stream"

Compress = Callable[[bytes], bytes]


COMPRESSORS: Final[Mapping[str, Compress]] = {
    "zstd": lambda body: zstandard.ZstdCompressor(level=3).compress(body),
    "br": lambda body: bytes(brotli.compress(body, quality=4)),
    "gzip": lambda body: gzip.compress(body, compresslevel=5, mtime=0),
}
"""What there is to compress with, the best first."""


def preferred(accept: str, offered: tuple[str, ...] = tuple(COMPRESSORS)) -> str | None:
    """The coding that `accept`, the value of Accept-Encoding, wants most; of equals the first offered. None: none of them."""
    wanted = weights_of(accept)
    plain = wanted.get("identity", 0.0)
    best = max(offered, key=lambda coding: wanted.get(coding, wanted.get("*", 0.0)), default=None)
    if best is None:
        return None
    weight = wanted.get(best, wanted.get("*", 0.0))
    return best if weight > 0 and weight >= plain else None


class Compression:
    """An application whose answers are compressed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        coding = preferred(Headers(scope=scope).get("accept-encoding", ""))
        await self.app(scope, receive, _Answer(send, coding).send)


class _Answer:
    """One answer on its way: its head waits until the body shows whether it is all there."""

    def __init__(self, send: Send, coding: str | None) -> None:
        self._send = send
        self._coding = coding
        self._head: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_text(Headers(raw=message["headers"])):
            self._head = message
            return
        head, self._head = self._head, None
        if head is None:
            await self._send(message)
            return
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            headers = MutableHeaders(raw=list(head["headers"]))
            headers.add_vary_header("Accept-Encoding")
            body = message.get("body", b"")
            if self._coding is not None and len(body) >= SMALLEST:
                compress = COMPRESSORS[self._coding]
                body = await to_thread(compress, body) if len(body) > LARGE else compress(body)
                headers["content-encoding"] = self._coding
                headers["content-length"] = str(len(body))
            head = {**head, "headers": headers.raw}
            message = {**message, "body": body}
        await self._send(head)
        await self._send(message)


def _is_text(headers: Headers) -> bool:
    """Whether an answer with these headers is worth compressing, and is not compressed yet."""
    kind = headers.get("content-type", "")
    return (
        kind.startswith(_TEXTS)
        and not kind.startswith(_STREAM)
        and "content-encoding" not in headers
        and "content-range" not in headers
    )
