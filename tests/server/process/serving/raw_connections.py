"""A server on a free port, and raw connections to it."""

import asyncio
import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from server.settings.connections import ConnectionSettings
from tests.live_server import serving

LONG: Final = 30.0
"""Seconds after which what has not come will not come any more."""

SOON: Final = 0.05
"""Seconds of patience of a server that is to lose it."""

MUCH: Final = 64 * 1024 * 1024
"""Bytes: more than all that lies between a server and its client holds."""

GET: Final = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"
UPGRADE: Final = (
    b"GET / HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


class App:
    """What is served: it answers each request with its body; it answers `/held` when it is let go, and `/much` with much."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        """Once for each request that was begun."""
        self.ended = threading.Semaphore(0)
        self._gone = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        self.begun.release()
        try:
            if scope["type"] == "websocket":
                await self._talk(receive, send)
            else:
                await self._answer(scope, receive, send)
        finally:
            self.ended.release()

    def let_go(self) -> None:
        self._gone.set()

    async def _talk(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            telling = asyncio.ensure_future(self._tell_much(send))
            telling.add_done_callback(lambda reply: reply.exception())

    async def _tell_much(self, send: Any) -> None:
        for _ in range(MUCH // 2**20):
            await send({"type": "websocket.send", "text": " " * 2**20})

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more and (message := await receive())["type"] != "http.disconnect":
            body += message["body"]
            more = message["more_body"]
        if scope["path"] == "/held":
            await asyncio.to_thread(self._gone.wait, LONG)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(MUCH // 2**20 if scope["path"] == "/much" else 0):
            await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
        await send({"type": "http.response.body", "body": body})


class Line:
    """A connection, byte for byte."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=LONG)
        self._file = self.socket.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def send(self, text: bytes) -> None:
        self.socket.sendall(text)

    def trickle(self, byte: bytes) -> None:
        """Send a byte again and again, until something comes back."""
        while not select.select([self.socket], [], [], SOON / 50)[0]:
            self.socket.send(byte)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        file = self._file
        status = int(file.readline().split()[1])
        headers: dict[str, str] = {}
        while line := file.readline().rstrip():
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        if "transfer-encoding" not in headers:
            return status, headers, file.read(int(headers.get("content-length", 0)))
        body = bytearray()
        while size := int(file.readline(), 16):
            body += file.read(size)
            file.readline()
        file.readline()
        return status, headers, bytes(body)

    def is_closed(self) -> bool:
        """Whether nothing more comes; waits for whatever does."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def all(self) -> int:
        """How many bytes come until the connection ends."""
        size = 0
        try:
            while piece := self._file.read1(2**20):
                size += len(piece)
        except ConnectionResetError:
            pass
        return size


@contextmanager
def served(app: App, limits: ConnectionSettings) -> Iterator[Any]:
    """Makes connections to the application, which all end with the block."""
    with ExitStack() as lines, serving(app, limits) as address:

        def connect() -> Line:
            line = Line(address)
            lines.callback(line.close)
            return line

        try:
            yield connect
        finally:
            app.let_go()
            lines.close()


def refused(line: Line) -> tuple[int, str, str]:
    """How a connection was refused: status, code and message; and that it ends with that."""
    status, headers, body = line.answer()
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
    assert line.is_closed()
    (error,) = json.loads(body)["errors"]
    return status, error["extensions"]["code"], error["message"]
