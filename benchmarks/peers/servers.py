"""Starts and stops the measured servers on one database."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import SecretStr
from sqlalchemy import URL

from benchmarks.peers.cases import Dialect
from domain.viewer import Right
from server.auth.issue import make_token
from server.settings.settings import Settings

ROOT: Final = Path(__file__).parents[2]
NODE: Final = Path(__file__).parent / "node"
POOL: Final = 30
"""The most connections of a process: those of the pools of `Database`."""

KEY: Final = "the key of the benchmark, which signs the token of its clients"
UNLIMITED: Final = "1000000000"
"""The budget of the viewer, who sends as many requests as a whole district."""

_PATIENCE: Final = 60.0


class Server(NamedTuple):
    """A server to measure; `processes` share its port."""

    name: str
    dialect: Dialect
    command: Sequence[str]
    processes: int = 1
    environment: Mapping[str, str] = {}


class Running(NamedTuple):
    """A running server."""

    server: Server
    port: int
    child: subprocess.Popen[bytes]


OURS: Final = "sentlog"
STOCK: Final = "stock Strawberry"
POSTGRAPHILE: Final = "PostGraphile"
YOGA: Final = "yoga + jit"
ROWS: Final = "floor: rows"
JSON: Final = "floor: json_agg"


def servers(node: str) -> Sequence[Server]:
    """Return all servers; `node` is the Node.js program for the peers."""
    serve = [sys.executable, "-c", "from server.cli.main import main; main()", "serve"]
    floor = [sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level", "warning"]
    return [
        Server(OURS, Dialect.SENTLOG, serve),
        Server(f"{OURS} ×2", Dialect.SENTLOG, [*serve, "--workers", "2"], 2),
        Server(STOCK, Dialect.SENTLOG, serve, environment={"SENTLOG_EXECUTOR": "stock"}),
        Server(POSTGRAPHILE, Dialect.POSTGRAPHILE, [node, "postgraphile.mjs"]),
        Server(f"{POSTGRAPHILE} ×2", Dialect.POSTGRAPHILE, [node, "postgraphile.mjs"], 2),
        Server(YOGA, Dialect.YOGA, [node, "yoga.mjs"]),
        Server(f"{YOGA} ×2", Dialect.YOGA, [node, "yoga.mjs"], 2),
        Server(ROWS, Dialect.FLOOR, [*floor, "--factory", "benchmarks.peers.floor:from_rows"]),
        Server(JSON, Dialect.FLOOR, [*floor, "--factory", "benchmarks.peers.floor:from_json"]),
    ]


def token() -> str:
    """Return a token of a viewer who may see the whole log."""
    settings = Settings(jwt_key=SecretStr(KEY))
    return make_token(
        settings,
        id="u7",
        name="Administrator, System",
        district="plainview",
        schools=(),
        rights=(Right.VIEW_LOG, Right.VIEW_RECIPIENTS),
        expires_in=timedelta(days=1),
        now=datetime.now(UTC),
    )


def ready_node() -> str:
    """Return the Node.js program for the peers, and install them if needed. Exits if something is missing."""
    npm = shutil.which("npm")
    installed = NODE / "node_modules" / ".package-lock.json"
    wanted = (NODE / "package-lock.json").stat().st_mtime
    if not installed.exists() or installed.stat().st_mtime < wanted:
        if npm is None:
            sys.exit(
                "the peers are not installed, and there is no npm to do it: install Node.js with npm"
            )
        print("installing the peers: npm ci", flush=True)
        subprocess.run(
            [npm, "ci", "--loglevel=error"], cwd=NODE, check=True, stdout=subprocess.DEVNULL
        )
    # Pinned with the peers; other machines use the Node.js of the system.
    for program in (*NODE.glob("node_modules/node-*/bin/node"), shutil.which("node")):
        if program is not None and _major(str(program)) >= 22:
            return str(program)
    sys.exit("PostGraphile 5 needs Node.js 22 or newer: install it, or run this on Linux")


def _major(program: str) -> int:
    try:
        completed = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):  # made for another processor
        return 0
    return int(completed.stdout.removeprefix("v").partition(".")[0])


@contextmanager
def running(
    chosen: Sequence[Server], url: URL, *, messages: int, logs: Path
) -> Iterator[Sequence[Running]]:
    """Run all servers at once on free ports; their output goes to files in `logs`."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(_started(server, url, messages=messages, logs=logs))
            for server in chosen
        ]
        for each in started:
            _wait(each, logs / f"{each.server.name}.log")
        yield started


@contextmanager
def _started(server: Server, url: URL, *, messages: int, logs: Path) -> Iterator[Running]:
    port = _free_port()
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    of_kind = {
        Dialect.SENTLOG: {
            "SENTLOG_DATABASE_URL": plain,
            "SENTLOG_JWT_KEY": KEY,
            "SENTLOG_BUDGET_CAPACITY": UNLIMITED,
            "SENTLOG_BUDGET_PER_SECOND": UNLIMITED,
            "SENTLOG_DATA_DIR": str(logs),
        },
        Dialect.FLOOR: {"DATABASE_URL": plain, "MESSAGES": str(messages), "POOL": str(POOL)},
    }
    peers = {
        "DATABASE_URL": plain,
        "JWT_KEY": KEY,
        "NODE_ENV": "production",
        "POOL": str(POOL),
        "PORT": str(port),
        "PROCESSES": str(server.processes),
    }
    is_peer = server.dialect not in of_kind
    command = [*server.command, *([] if is_peer else ["--port", str(port)])]
    with (logs / f"{server.name}.log").open("wb") as log:
        child = subprocess.Popen(
            command,
            cwd=NODE if is_peer else ROOT,
            env={**os.environ, **of_kind.get(server.dialect, peers), **server.environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Running(server, port, child)
        finally:
            os.killpg(child.pid, signal.SIGTERM)
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait(running: Running, log: Path) -> None:
    """Wait until it listens. Exits with its output if it never does."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and running.child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", running.port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit(f"{log.stem} does not listen:\n{log.read_text(errors='replace')[-2_000:]}")
