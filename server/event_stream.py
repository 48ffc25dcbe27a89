"""Answers of which there is more than one, as server-sent events: graphql-sse, one request a stream.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md (distinct connections mode)

What is answered, and until when, is not said here.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.http.streaming import SSETransport

HEARTBEAT: Final = 15.0
"""Seconds between two comments: a proxy takes a stream in which nothing comes for half a minute to be dead."""

_TRANSPORT: Final = SSETransport()
_JSON: Final = ("application/json", "application/graphql-response+json", "application/*", "*/*")


def is_preferred(accept: str) -> bool:
    """Whether a client would rather have events than JSON.

    Many a client names both, with the same weight, and can read only JSON where there is one answer: they get JSON.
    """
    weights = dict(map(_weighed, accept.lower().split(",")))
    events = weights.get(SSETransport.headers["Content-Type"], 0.0)
    return events > max(weights.get(name, 0.0) for name in _JSON)


def _weighed(part: str) -> tuple[str, float]:
    """A media range and its weight (RFC 9110, 12.5.1): 1 unless `q` says otherwise, 0 where that cannot be read."""
    name, *parameters = (piece.strip() for piece in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, float(value)
            except ValueError:
                return name, 0.0
    return name, 1.0


class EventStream(Response):
    """Sends each payload as it comes, and comments in between, until there are no more or the client has left."""

    def __init__(
        self,
        payloads: AsyncGenerator[Mapping[str, Any], None],
        *,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        super().__init__(headers=SSETransport.headers)
        del self.headers["content-length"]
        self._payloads = payloads
        self._sleep = sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        tasks = [
            asyncio.ensure_future(self._write(send)),
            asyncio.ensure_future(self._beat(send)),
            asyncio.ensure_future(_left(receive)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _write(self, send: Send) -> None:
        async with aclosing(self._payloads) as payloads:
            async for payload in payloads:
                await _send(send, _TRANSPORT.encode_next(payload, _encode), more=True)  # type: ignore[arg-type]
        await _send(send, _TRANSPORT.encode_complete(), more=False)

    async def _beat(self, send: Send) -> None:
        while True:
            await self._sleep(HEARTBEAT)
            await _send(send, _TRANSPORT.encode_comment("still here"), more=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, text: str, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": more})


def _encode(payload: object) -> str:
    return orjson.dumps(payload).decode()
