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
                await _send(send, _event("next", orjson.dumps(payload)), more=True)
        await _send(send, _event("complete"), more=False)

    async def _beat(self, send: Send) -> None:
        while True:
            await self._sleep(HEARTBEAT)
            await _send(send, b": still here\n\n", more=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, body: bytes, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


def _event(name: str, data: bytes = b"") -> bytes:
    """One event, whose data is one line; without any it is said nevertheless, or a browser would drop the event.

    Lines end in LF alone: at CRLF, which the format allows as well, urql sees no event end.
    """
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
