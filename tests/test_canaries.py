"""The leak check of the suite finds deliberate leaks in log lines, errors and responses, and fails the test."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from db.connect.database import Database
from domain.errors import BadUserInput
from server.http.request_log import RequestLog
from tests.canaries import KINDS, ROOT, look, watched
from tests.log import district, load, message
from tests.operations import execute

SAMPLES: Final = {
    "a name": ["Parent, Heather", "Nguyễn"],
    "an address": ["heather@nomail.example", "x.y+z@mail.example.org", "hparent"],
    "a phone number": ["+16125550101", "(612) 555-0101"],
    "a body": ["Your student was sent to the office."],
    "SQL": [
        "SELECT id\nFROM message",
        "INSERT INTO person",
        "UPDATE message SET x",
        "DELETE FROM x",
    ],
    "a path": [f"{ROOT}/server/process/app.py", "/tmp/x"],
}


def test_each_kind_has_a_sample() -> None:
    assert SAMPLES.keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in SAMPLES.items() for text in texts]
)
def test_each_kind_is_found(kind: str, text: str) -> None:
    with watched() as leaks:
        look(f"before {text} behind", "a line")

    assert [leak.kind for leak in leaks] == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "handed over message.12",
        "2020-01-31T18:00:00+00:00",
        "db.connect.database:12 writing",
        "Send it to /graphql",
        "Select a school from the list.",
    ],
)
def test_ordinary_log_lines_and_errors_are_not_leaks(text: str) -> None:
    with watched() as leaks:
        look(text, "a line")

    assert leaks == []


def test_an_error_may_repeat_the_input() -> None:
    with watched() as leaks:
        look("Value 'Heather' is no id.", "an error", typed='node(id: "Heather")')

    assert leaks == []


def test_a_log_line_is_checked_as_our_formatter_writes_it() -> None:
    log = structlog.get_logger("delivery.dispatch.handover")
    with watched() as leaks, capture_logs():
        log.info("handed over", name="Parent, Heather")  # our pipe drops the key
        log.info("handed over to Heather", message_id="message.1")

    assert [(leak.kind, leak.way) for leak in leaks] == [("a name", "a log line")]
    assert '"handed over to Heather"' in leaks[0].text
    assert leaks[0].place.startswith("tests/test_canaries.py:")


def test_a_library_log_line_is_checked_without_the_values_that_we_drop() -> None:
    with watched() as leaks:
        logging.getLogger("some.library").warning("no mailbox %s", "heather@nomail.example")
        logging.getLogger("some.library").info("SELECT 1 FROM person")
        logging.getLogger("some.library").warning("INSERT INTO person")

    assert [(leak.kind, leak.way) for leak in leaks] == [("SQL", "a library's log line")]


async def test_the_error_of_an_operation_is_checked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(database, district(), message())

    async def fail(*arguments: Any, **more: Any) -> Any:
        raise BadUserInput("Heather is not there.")

    monkeypatch.setattr("db.search.facets.types", fail)
    with watched() as leaks:
        await execute(database, "{ messageTypes { code } }")
        await execute(database, "{ messageTypes { Heather: code } }")  # who asks so, said the name

    assert [(leak.kind, leak.way) for leak in leaks] == [("a name", "an error of an operation")]


@pytest.mark.parametrize(("status", "ways"), [(400, ["an answer that refuses"]), (200, [])])
def test_the_response_of_an_error_is_checked(status: int, ways: list[str]) -> None:
    async def answer(request: Request) -> Response:
        await request.body()
        return PlainTextResponse("Heather was not found", status)

    app = RequestLog(Starlette(routes=[Route("/", answer, methods=["POST"])]), clock=lambda: 0.0)
    with watched() as leaks:
        client = TestClient(app)
        client.post("/", content=b"who is it?")
        client.post("/", content=b"is it Heather?")

    assert [leak.way for leak in leaks] == ways


LEAKS: Final = """
import logging
import threading

import pytest
import structlog


@pytest.fixture
def talks():
    structlog.get_logger().info("set up for Heather")


def test_clean():
    structlog.get_logger().info("nobody", name="Heather")


def test_leaks():
    structlog.get_logger().info("Heather")


def test_leaks_from_a_thread():
    thread = threading.Thread(target=lambda: logging.getLogger("x").warning("INSERT INTO person"))
    thread.start()
    thread.join()


def test_leaks_when_set_up(talks):
    pass
"""


def test_a_test_that_leaks_fails_with_the_place(tmp_path: Path) -> None:
    file = tmp_path / "test_leaking.py"
    file.write_text(LEAKS)

    run = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "tests.canaries",
            ),
            *("-c", "/dev/null", "--rootdir", str(tmp_path), "-rfE", str(file)),
        ],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 1, run.stdout + run.stderr
    summary = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert [line.split("::")[1].split(" ")[0] for line in summary] == [
        "test_leaks",
        "test_leaks_from_a_thread",
        "test_leaks_when_set_up",
    ]
    assert "LEAK: a name in a log line:" in run.stdout
    assert "LEAK: SQL in a library's log line:" in run.stdout
