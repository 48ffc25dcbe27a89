"""Commands as separate processes: start them, read their output, stop them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.canaries import look
from tests.server.auth.signing import SECRET

ROOT: Final = Path(__file__).parents[2]
SENTLOG: Final = [
    sys.executable,
    "-c",
    "from server.cli.main import main; main(prog_name='sentlog')",
]
LONG: Final = 60
"""Seconds after which what has not come will not come any more."""


def environment(**settings: str) -> dict[str, str]:
    """An environment with these settings, a key, and none that the tests themselves were started with."""
    others = {name: text for name, text in os.environ.items() if not name.startswith("SENTLOG_")}
    return {**others, "SENTLOG_JWT_KEY": SECRET, **settings}


def sentlog(*arguments: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command with empty standard input until it ends, and return the result."""
    return subprocess.run(
        [*SENTLOG, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=ROOT,
        env=environment(**settings),
        timeout=LONG,
        check=False,
    )


@dataclass
class Server:
    """A server that listens."""

    process: "subprocess.Popen[str]"
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def workers(self) -> list[int]:
        """The processes that answer, where there are several."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [
            int(pid)
            for pid in children.read_text().split()
            if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
        ]

    def stop(self) -> tuple[int, list[dict[str, Any]]]:
        """Send SIGTERM and wait. Returns the exit status and the log lines since the start."""
        self.process.send_signal(signal.SIGTERM)
        _, rest = self.process.communicate(timeout=LONG)
        look(rest, "the log of a server")
        return self.process.returncode, [json.loads(line) for line in rest.splitlines()]


@contextmanager
def serving(*arguments: str, **settings: str) -> Iterator[Server]:
    """`sentlog serve` on a free port; killed at the end of the block unless it has stopped."""
    process = subprocess.Popen(
        [*SENTLOG, "serve", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(SENTLOG_PORT="0", **settings),
    )
    try:
        assert process.stderr is not None
        line = json.loads(process.stderr.readline())
        assert line["event"] == "the server starts", line
        yield Server(process, line["port"])
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
