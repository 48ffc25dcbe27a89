"""Sends the results of an operation as server-sent events: graphql-sse, one request per stream.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md (distinct connections mode)
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
"""Seconds between two comments: a proxy closes a stream that sends nothing for half a minute."""


class EventStream(Response):
    """Sends each payload as it comes, and comments in between, until the last one or until the client disconnects."""

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
            asyncio.ensure_future(self._send_heartbeats(send)),
            asyncio.ensure_future(_wait_for_disconnect(receive)),
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

    async def _send_heartbeats(self, send: Send) -> None:
        while True:
            await self._sleep(HEARTBEAT)
            await _send(send, b": still here\n\n", more=True)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, body: bytes, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


def _event(name: str, data: bytes = b"") -> bytes:
    """One event, whose data is one line; an empty data line is sent too, since a browser drops an event without one.

    Lines end in LF alone: at CRLF, which the format allows as well, urql sees no event end.
    """
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
