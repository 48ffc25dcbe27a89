"""A server process of `sentlog serve --workers`: it answers its supervisor at once, then imports the server.

Only the standard library is imported at the top: on a busy machine the other imports exceed the supervisor's timeout.
"""

import contextlib
import os
import pickle
import signal
import sys
import threading
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from socket import socket
from typing import Any, Final

CANNOT_START: Final = 3
"""The exit status of a process that ended before it served; the same as uvicorn's."""


class _HealthThread:
    """A thread that answers the supervisor's pings with whether the server has started."""

    def __init__(self, connection: Connection) -> None:
        self.server: Any = None
        self._connection = connection
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        try:
            while True:
                self._connection.recv_bytes()
                self._connection.send(self.server is not None and self.server.started)
        except (OSError, EOFError):
            # The supervisor is gone: without it, this process would keep the port and never end.
            os.kill(os.getpid(), signal.SIGTERM)


def run(connection: Connection, pickled: bytes, sockets: list[socket]) -> None:
    """Serve on `sockets` until SIGINT or SIGTERM. `pickled` is uvicorn's configuration; unpickling it imports the server."""
    health = _HealthThread(connection)
    try:
        config = pickle.loads(pickled)
        import uvicorn

        config.configure_logging()
        server = uvicorn.Server(config)
        health.server = server
        with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn when all has ended
            server.run(sockets)
    except Exception:
        _log_failure()
        sys.exit(CANNOT_START)
    if not server.started:
        sys.exit(CANNOT_START)


def _log_failure() -> None:
    """Log the present exception with its message masked; multiprocessing would print the message."""
    import structlog

    from server.process.log_output import configure

    if not structlog.is_configured():
        configure("info", "json", clock=lambda: datetime.now(UTC))
    structlog.get_logger(__name__).exception("a server process failed", pid=os.getpid())
