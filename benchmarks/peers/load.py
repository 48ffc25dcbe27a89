"""The load: clients of one server, each of which sends its next request as soon as it has its response.

One loop over raw sockets. It is not the bottleneck while it is mostly idle, which `Load.busy` shows.
"""

import selectors
import socket
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

_BLOCK: Final = 256 * 1024
_END_OF_HEAD: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"


class Load(NamedTuple):
    """The result: the seconds of each response, the total, and the CPU time of this process."""

    latencies: Sequence[float]
    seconds: float
    busy: float


class Refused(Exception):
    """A response that is not a successful answer."""


class _Client:
    """One connection, and the response that is being received."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.began = 0.0
        self._request = request
        self._head = b""
        self._left: int | None = None

    def ask(self) -> None:
        self._head, self._left = b"", None
        self.began = time.perf_counter()
        self.socket.send(self._request)

    def is_answered(self, block: memoryview) -> bool:
        """Receive data; return whether the response is complete. Raises `Refused`."""
        size = self.socket.recv_into(block)
        if not size:
            raise Refused("the server hung up")
        if self._left is not None and self._left >= 0:
            self._left -= size
            return self._left == 0
        came = bytes(block[:size])
        if self._left is None:
            self._head += came
            head, end, rest = self._head.partition(_END_OF_HEAD)
            if not end:
                return False
            self._left = _length(head)
            came = end + rest
            if self._left >= 0:
                self._left -= len(rest)
                return self._left == 0
        self._head = (self._head + came)[-len(_LAST_CHUNK) :] if came else self._head
        return self._head.endswith(_LAST_CHUNK)


def _length(head: bytes) -> int:
    """Return the length of the body, -1 if it is chunked."""
    lines = head.lower().split(b"\r\n")
    if b" 200" not in lines[0]:
        raise Refused(head.decode(errors="replace"))
    for line in lines:
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return -1


def request(body: bytes, token: str) -> bytes:
    """Return the bytes of a request to `/graphql` for an uncompressed response."""
    head = (
        "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def drive(port: int, request: bytes, *, clients: int, seconds: float) -> Load:
    """Send requests for this many seconds, and wait for the last responses. Raises `Refused`."""
    everybody = [_Client(port, request) for _ in range(clients)]
    latencies: list[float] = []
    block = memoryview(bytearray(_BLOCK))
    with selectors.DefaultSelector() as waiting:
        busy, began = time.process_time(), time.perf_counter()
        for client in everybody:
            waiting.register(client.socket, selectors.EVENT_READ, client)
            client.ask()
        open = clients
        while open:
            for key, _ in waiting.select():
                client = key.data
                if not client.is_answered(block):
                    continue
                now = time.perf_counter()
                latencies.append(now - client.began)
                if now - began < seconds:
                    client.ask()
                else:
                    open -= 1
        took, busy = time.perf_counter() - began, time.process_time() - busy
    for client in everybody:
        client.socket.close()
    return Load(latencies, took, busy)
