"""A supervisor with two server processes: `python -m tests.server.process.serving.supervised HOW FOLDER`.

`slow`: what a process imports before it serves takes longer than the supervisor waits for an answer. `broken`: no process can
start, and the error has a name in it. `plain`: neither. Each process answers with its number.
"""

import os
import socket
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

PATIENCE: Final = 5
"""Seconds in which a process has to answer."""

IMPORT: Final = 5.5
"""Seconds that an import takes."""


def take_long() -> str:
    """What is imported slowly."""
    threading.Event().wait(IMPORT)
    return "imported"


class Slow:
    """What takes long to read in another process."""

    def __reduce__(self) -> Any:
        return take_long, ()


if __name__ == "__mp_main__":
    take_long()  # the command line, if a process imports it once more


def make() -> Any:
    """The application of a process."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for word in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{word}.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

    return app


def fail() -> Any:
    """No application."""
    raise ValueError("Parent, Heather <hparent@nomail.example>")


def main(how: str, folder: str) -> None:
    """Run it. The port is in the folder, and each process has its number there as long as it lives."""
    # No more of the server than is tested: its own configuration takes seconds to import, in each process.
    import uvicorn

    from server.process.log_output import configure
    from server.process.supervisor import Supervisor

    configure("info", "json", clock=lambda: datetime.now(UTC))
    app = (
        "tests.server.process.serving.supervised:fail"
        if how == "broken"
        else "tests.server.process.serving.supervised:make"
    )
    config: Any = uvicorn.Config(
        app,
        factory=True,
        workers=2,
        lifespan="on",
        log_config=None,
        timeout_worker_healthcheck=PATIENCE,
    )
    if how == "slow":
        from tests.server.process.serving import supervised

        config.slow = supervised.Slow()  # by a name under which another process finds it
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Path(folder, "port").write_text(str(listener.getsockname()[1]))
        supervisor = Supervisor(config, [listener], tick=0.05)
        supervisor.run()
    sys.exit(1 if supervisor.has_failed else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
