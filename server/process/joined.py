"""The head of an answer goes out with its body, where that follows at once: one packet, one call of the system.

uvicorn writes them one after the other, and what `server.process.protocols` asks of its transport sends each as it comes.
"""

import asyncio
from typing import Final

_HEAD: Final = b"HTTP/1.1 "


class Joined:
    """The transport of a connection, for what writes answers to it; what does not follow at once is not waited for."""

    def __init__(self, transport: asyncio.Transport, *, loop: asyncio.AbstractEventLoop) -> None:
        self.is_closing = transport.is_closing
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None
        self._later: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        """Send what was held back and this; of a head, as soon as nothing else is written now."""
        if self._head is not None:
            self._transport.writelines((self._taken(), data))
        elif data.startswith(_HEAD):  # a body may begin so too, and then goes out a moment later
            self._head = data
            self._later = self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what was held back, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head is not None:
            head = self._taken()
            if not self._transport.is_closing():
                self._transport.write(head)

    def _taken(self) -> bytes:
        head, self._head = self._head, None
        if self._later is not None:
            self._later.cancel()
            self._later = None
        return head or b""
