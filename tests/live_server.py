"""A real server for tests: uvicorn in a thread, on a free port of 127.0.0.1."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from server.process.protocols import configuration
from server.settings.connections import ConnectionSettings

LIMITS: Final = ConnectionSettings()


class _Announced(uvicorn.Server):
    """A server that sets an event when it listens, so that tests need no polling."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()

    def run_until_stopped(self, listener: socket.socket) -> None:
        try:
            self.run(sockets=[listener])
        finally:
            # Also if it failed to start, so that the waiter wakes.
            self.settled.set()


@contextmanager
def serving(app: ASGIApp, limits: ConnectionSettings = LIMITS) -> Generator[str]:
    """Serve `app` by HTTP and WebSocket, as `sentlog serve` does; gives its address, `http://127.0.0.1:PORT`.

    The lifespan starts before the block and ends after it.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Announced(configuration(app, limits=limits))
        thread = threading.Thread(target=server.run_until_stopped, args=[listener])
        thread.start()
        try:
            server.settled.wait()
            assert server.started, "the application failed to start: its log has the reason"
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
