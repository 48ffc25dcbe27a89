"""Sends the head of a response together with the body that follows at once: one packet, one system call.

uvicorn writes the two separately, and the transport, as `server.process.protocols` configures it, sends each write at once.
"""

import asyncio
from typing import Final

_HEAD: Final = b"HTTP/1.1 "


class Joined:
    """A transport that holds back a response head until the next write, or until the end of the loop iteration."""

    def __init__(self, transport: asyncio.Transport, *, loop: asyncio.AbstractEventLoop) -> None:
        self.is_closing = transport.is_closing
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None
        self._later: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        """Send the held head and `data`; hold back `data` if it is a head."""
        if self._head is not None:
            self._transport.writelines((self._take_head(), data))
        elif data.startswith(
            _HEAD
        ):  # a body may begin so too; it is sent at the end of the loop iteration
            self._head = data
            self._later = self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send the held head, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head is not None:
            head = self._take_head()
            if not self._transport.is_closing():
                self._transport.write(head)

    def _take_head(self) -> bytes:
        head, self._head = self._head, None
        if self._later is not None:
            self._later.cancel()
            self._later = None
        return head or b""
