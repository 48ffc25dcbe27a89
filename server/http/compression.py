"""Compresses responses with zstd, br or gzip, as `Accept-Encoding` prefers (RFC 9110, 12.5.3).

Only complete text responses of a minimum size are compressed. Event streams are not, since each event must arrive at once;
downloads are not, since they are sent in parts, and report files are compressed already.
"""

import gzip
from asyncio import to_thread
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import brotli
import zstandard
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http.accept import weights_of
from server.http.headers import first

SMALLEST: Final = 1_400
"""Minimum bytes: a response that fits into one packet does not get faster by compression."""

LARGE: Final = 128 * 1024
"""Bytes from which compression runs in a thread: it would block the loop for more than a millisecond."""

_TEXTS: Final = (
    *(b"application/json", b"application/graphql-response+json"),
    *(b"text/", b"image/svg+xml"),
)
_STREAM: Final = b"text/event-stream"

Compress = Callable[[bytes], bytes]


COMPRESSORS: Final[Mapping[str, Compress]] = {
    "zstd": lambda body: zstandard.ZstdCompressor(level=3).compress(body),
    "br": lambda body: bytes(brotli.compress(body, quality=4)),
    "gzip": lambda body: gzip.compress(body, compresslevel=5, mtime=0),
}
"""The supported codings, the best first."""


def preferred_coding(accept: str, offered: tuple[str, ...] = tuple(COMPRESSORS)) -> str | None:
    """The coding that `accept`, the value of Accept-Encoding, prefers; among equals the first offered; None for no coding."""
    weights = weights_of(accept)
    plain = weights.get("identity", 0.0)
    best = max(offered, key=lambda coding: weights.get(coding, weights.get("*", 0.0)), default=None)
    if best is None:
        return None
    weight = weights.get(best, weights.get("*", 0.0))
    return best if weight > 0 and weight >= plain else None


class Compression:
    """ASGI middleware that compresses responses."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, _Answer(scope, send).send)


class _Answer:
    """One response; its head is held back until the first body message shows whether it is complete."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._head: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_text(message["headers"]):
            self._head = message
            return
        head, self._head = self._head, None
        if head is None:
            await self._send(message)
            return
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            raw = _varying(head["headers"])
            body = message.get("body", b"")
            coding = self._coding() if len(body) >= SMALLEST else None
            if coding is not None:
                compress = COMPRESSORS[coding]
                body = await to_thread(compress, body) if len(body) > LARGE else compress(body)
                headers = MutableHeaders(raw=raw)
                headers["content-encoding"] = coding
                headers["content-length"] = str(len(body))
                message = {**message, "body": body}
            head = {**head, "headers": raw}
        await self._send(head)
        await self._send(message)

    def _coding(self) -> str | None:
        return preferred_coding(first(self._scope, b"accept-encoding") or "")


def _varying(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers with `Vary: Accept-Encoding`."""
    raw = [*headers]
    if any(name == b"vary" for name, _ in raw):
        MutableHeaders(raw=raw).add_vary_header("Accept-Encoding")
    else:
        raw.append((b"vary", b"Accept-Encoding"))
    return raw


def _is_text(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a response with these headers is an uncompressed text."""
    header_values = dict(headers)
    kind = header_values.get(b"content-type", b"")
    return (
        kind.startswith(_TEXTS)
        and not kind.startswith(_STREAM)
        and b"content-encoding" not in header_values
        and b"content-range" not in header_values
    )
