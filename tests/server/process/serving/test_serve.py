"""The server as a process: it starts, serves, shares the work, finishes running requests, and stops."""

import json
import os
import signal
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from db.connect.database import Database
from domain.viewer import Right
from server.auth.issue import make_token
from server.process.serve import listen
from server.settings.settings import Settings, SettingsError
from tests.log import district, load, message
from tests.server.auth.signing import SECRET
from tests.server.calling import body_of, filled
from tests.server.processes import LONG, ROOT, SENTLOG, Server, environment, sentlog, serving

ASK = {"query": "{ viewer { name } }"}


@pytest.fixture
async def settings(database: Database, database_url: str, tmp_path: Path) -> dict[str, str]:
    """The settings of a server on a migrated database that knows one district; on both engines."""
    await load(database, district())
    return {"SENTLOG_DATABASE_URL": database_url, "SENTLOG_DATA_DIR": str(tmp_path)}


@pytest.fixture
def on_sqlite(tmp_path: Path, sqlite_template: Path) -> dict[str, str]:
    """The settings of a server on a SQLite file that knows one district."""
    filled(tmp_path, sqlite_template)
    return {"SENTLOG_DATA_DIR": str(tmp_path)}


def signed_in(settings: dict[str, str]) -> dict[str, str]:
    """The header of somebody who may read and write."""
    rights = [Right.VIEW_LOG, Right.INGEST_MESSAGES]
    now = datetime.now(UTC)
    told_of = Settings.from_environment({**settings, "SENTLOG_JWT_KEY": SECRET})
    token = make_token(
        told_of,
        id="u7",
        name="Matthews, Dexter",
        district="plainview",
        schools=(),
        rights=rights,
        expires_in=timedelta(hours=1),
        now=now,
    )
    return {"authorization": f"Bearer {token}"}


def ask(server: Server, headers: dict[str, str]) -> httpx2.Response:
    # A connection each: one that is kept belongs to one process.
    return httpx2.post(f"{server.address}/graphql", json=ASK, headers=headers, timeout=LONG)


def test_a_server_accepts_the_printed_token_and_stops_on_sigterm(settings: dict[str, str]) -> None:
    printed = sentlog("token", "--name", "Matthews, Dexter", **settings).stdout.decode()
    headers = {"authorization": f"Bearer {printed.strip()}"}
    with serving(**settings) as server:
        ready = httpx2.get(f"{server.address}/readyz", timeout=LONG)
        answer = ask(server, headers)
        status, lines = server.stop()

    assert ready.status_code == 200
    assert {"status": "ready", "database": "ready", "keys": "ready"}.items() <= ready.json().items()
    assert (answer.status_code, body_of(answer)) == (
        200,
        {"data": {"viewer": {"name": "Matthews, Dexter"}}},
    )
    assert "server" not in answer.headers
    assert status == -signal.SIGTERM
    assert [line["event"] for line in lines if line["level"] in ("warning", "error")] == []
    assert [(line["route"], line["status"]) for line in lines if line["event"] == "request"] == [
        ("/graphql", 200)
    ]


def upload(server: Server, headers: dict[str, str]) -> socket.socket:
    """An upload that has begun."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=LONG)
    said = {
        "host": "127.0.0.1",
        "content-type": "application/x-ndjson",
        "transfer-encoding": "chunked",
        **headers,
    }
    head = "".join(f"{name}: {text}\r\n" for name, text in said.items())
    connection.sendall(f"POST /ingest HTTP/1.1\r\n{head}\r\n".encode())
    return connection


def chunk(text: bytes) -> bytes:
    return f"{len(text):x}\r\n".encode() + text + b"\r\n"


def test_running_requests_finish_when_the_server_stops(on_sqlite: dict[str, str]) -> None:
    headers = signed_in(on_sqlite)
    lines = message("M-9")
    with serving(**on_sqlite) as server:
        with upload(server, headers) as connection:
            connection.sendall(chunk(lines[:50]))
            ask(server, headers)  # by now the upload has been taken up
            server.process.send_signal(signal.SIGTERM)
            while is_open(server.port):
                pass
            connection.sendall(chunk(lines[50:]) + chunk(b""))
            answer = connection.makefile("rb").read()
        _, rest = server.process.communicate(timeout=LONG)

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["messages"]["accepted"] == 1
    assert [line for line in rest.splitlines() if json.loads(line)["level"] == "error"] == []


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=LONG).close()
    except OSError:
        return False
    return True


def test_an_upload_that_breaks_off_leaves_nothing_and_is_no_fault(
    on_sqlite: dict[str, str],
) -> None:
    headers = signed_in(on_sqlite)
    with serving(**on_sqlite) as server:
        with upload(server, headers) as connection:
            connection.sendall(chunk(message("M-9")[:-5]))
        again = httpx2.post(
            f"{server.address}/ingest",
            content=message("M-9"),
            headers={**headers, "content-type": "application/x-ndjson"},
            timeout=LONG,
        )
        _, lines = server.stop()

    assert again.json()["messages"] == {"accepted": 1, "unchanged": 0, "refused": 0}
    assert [line for line in lines if line["level"] == "error"] == []


def test_a_websocket_is_closed_with_the_reason_when_the_server_stops(
    on_sqlite: dict[str, str],
) -> None:
    headers = signed_in(on_sqlite)
    with serving(**on_sqlite) as server:
        address = server.address.replace("http", "ws") + "/graphql"
        with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as connection:
            connection.send(json.dumps({"type": "connection_init", "payload": headers}))
            assert json.loads(connection.recv()) == {"type": "connection_ack"}
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                connection.recv(timeout=LONG)
            code = connection.close_code
        status, lines = server.stop()

    assert (code, status) == (1012, -signal.SIGTERM)
    assert [line for line in lines if line["level"] == "error"] == []


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_several_processes_share_the_work_and_one_port(settings: dict[str, str]) -> None:
    """Whichever of the two is held up, the other one answers."""
    headers = signed_in(settings)
    with serving("--workers", "2", **settings) as server:
        assert ask(server, headers).status_code == 200
        workers = server.workers()
        answers = []
        for held_up in workers:
            os.kill(held_up, signal.SIGSTOP)
            answers.append(body_of(ask(server, headers)))
            os.kill(held_up, signal.SIGCONT)
        status, lines = server.stop()

    assert len(workers) == 2
    assert answers == [{"data": {"viewer": {"name": "Matthews, Dexter"}}}] * 2
    assert status == 0
    assert [line for line in lines if line["level"] == "error"] == []


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError) as refused:
            listen("127.0.0.1", port)

    assert refused.value.problems == (
        f"127.0.0.1:{port} cannot be listened on: Address already in use."
        " Stop what is there, or choose another with --host and --port.",
    )


def test_a_host_that_is_not_this_one_is_named() -> None:
    with pytest.raises(SettingsError) as refused:
        listen("203.0.113.1", 0)

    assert refused.value.problems == (
        "203.0.113.1:0 cannot be listened on: Cannot assign requested address."
        " Stop what is there, or choose another with --host and --port.",
    )


def test_what_is_generated_can_be_imported_by_a_pipe(on_sqlite: dict[str, str]) -> None:
    """As a person would: sentlog generate | sentlog import -"""
    made = subprocess.Popen(
        [*SENTLOG, "generate", "--messages", "20", "--recipients", "3"],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
    )
    with made:
        taken = subprocess.run(
            [*SENTLOG, "import", "-"],
            stdin=made.stdout,
            capture_output=True,
            cwd=ROOT,
            env=environment(**on_sqlite),
            timeout=LONG,
            check=False,
        )

    assert (made.returncode, taken.returncode, taken.stdout) == (0, 0, b"")
    assert " 20 messages with 60 recipients " in taken.stderr.decode().splitlines()[-1]


def test_generate_ends_quietly_when_its_pipe_is_closed() -> None:
    made = subprocess.Popen(
        [*SENTLOG, "generate", "--messages", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
    )
    assert made.stdout is not None
    assert made.stderr is not None
    first = made.stdout.readline()
    made.stdout.close()
    complaints = made.stderr.read()
    made.stderr.close()

    assert json.loads(first)["kind"] == "district"
    assert (made.wait(timeout=LONG), complaints) == (0, b"")
