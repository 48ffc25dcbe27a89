"""A server process of `sentlog serve --workers`: it answers its supervisor at once, and imports what it serves then.

Nothing but the standard library is imported at the top: on a busy machine the rest takes longer than a supervisor waits.
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
"""The exit status of a process that ended before it served, as uvicorn has it."""


class _Answering:
    """Answers the supervisor, in a thread: whether the server has started."""

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
            # The supervisor is gone: nobody would stop this process, and it would keep the port.
            os.kill(os.getpid(), signal.SIGTERM)


def run(connection: Connection, pickled: bytes, sockets: list[socket]) -> None:
    """Serve on `sockets` until told to stop. `pickled` is uvicorn's configuration: to read it is to import the server."""
    answering = _Answering(connection)
    try:
        config = pickle.loads(pickled)
        import uvicorn

        config.configure_logging()
        server = uvicorn.Server(config)
        answering.server = server
        with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn when all has ended
            server.run(sockets)
    except Exception:
        _say_why()
        sys.exit(CANNOT_START)
    if not server.started:
        sys.exit(CANNOT_START)


def _say_why() -> None:
    """Log the present exception, masked as all lines are; multiprocessing would print it with its text."""
    import structlog

    from server.process.log_output import configure

    if not structlog.is_configured():
        configure("info", "json", clock=lambda: datetime.now(UTC))
    structlog.get_logger(__name__).exception("a server process failed", pid=os.getpid())
