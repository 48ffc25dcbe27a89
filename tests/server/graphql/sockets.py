"""A WebSocket to the GraphQL endpoint: open it, send and receive messages."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

PROTOCOL = Subprotocol("graphql-transport-ws")


@asynccontextmanager
async def opened(
    address: str, authorization: str | None = None, **options: Any
) -> AsyncIterator[ClientConnection]:
    """A connection; signed in where a token is given."""
    async with connect(address, subprotocols=[PROTOCOL], **options) as socket:
        if authorization is not None:
            await say(socket, "connection_init", payload={"Authorization": authorization})
            assert await heard(socket) == {"type": "connection_ack"}
        yield socket


async def say(socket: ClientConnection, type: str, **rest: Any) -> None:
    await socket.send(json.dumps({"type": type, **rest}))


async def heard(socket: ClientConnection) -> dict[str, Any]:
    """The next message, without what the operation cost."""
    answer: dict[str, Any] = json.loads(await socket.recv())
    if answer["type"] == "next":
        cost = answer["payload"].pop("extensions")["cost"]
        assert cost["requested"] == 1
    return answer


async def closed(socket: ClientConnection) -> tuple[int | None, str | None]:
    """The code and the reason with which the server closes, whatever it says before."""
    with suppress(ConnectionClosed):
        async for _ in socket:
            pass
    return socket.close_code, socket.close_reason
