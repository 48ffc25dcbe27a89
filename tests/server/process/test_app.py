"""The application as a whole: its routes, unknown paths, and internal errors."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from tests.server.calling import Caller, calling, error

UNDER = r"Internal error\. Give this id to your administrator: (\w{16})\."


@pytest.fixture
def caller(tmp_path: Path, sqlite_template: Path) -> Iterator[Caller]:
    with calling(tmp_path, sqlite_template) as caller:
        yield caller


async def lose(caller: Caller, table: str) -> None:
    """Have every statement fail that needs a table."""
    database = caller.database()
    async with database.writing() as connection:
        await connection.execute(text(f"ALTER TABLE {table} RENAME TO lost"))
    await database.dispose()


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """The lines that are logged."""
    with capture_logs() as lines:
        yield lines


def test_who_comes_by_browser_is_led_to_the_page(caller: Caller) -> None:
    answer = caller.client.get("/")

    assert (answer.status_code, answer.headers["location"]) == (307, "/graphiql/")


@pytest.mark.parametrize("path", ["/nothing", "/graphql/x", "/ingest/x", "/.env"])
def test_where_nothing_is_the_answer_says_where_things_are(caller: Caller, path: str) -> None:
    answer = caller.client.get(path)

    assert (answer.status_code, answer.json()) == (
        404,
        error(
            "There is nothing here. Operations go to /graphql, messages to /ingest, people to /graphiql.",
            "BAD_USER_INPUT",
        ),
    )


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/"])
def test_a_method_that_is_not_taken_is_named_with_those_that_are(caller: Caller, path: str) -> None:
    answer = caller.client.post(path)

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert answer.json() == error(
        "This method is not supported here. The Allow header lists those that are.",
        "BAD_USER_INPUT",
    )


def test_a_server_that_is_well_says_so(caller: Caller) -> None:
    assert caller.client.get("/healthz").json() == {"status": "alive"}
    assert set(caller.client.get("/readyz").json().values()) == {"ready"}


async def test_a_fault_outside_of_any_operation_says_only_where_the_log_has_it(
    caller: Caller, lines: list[Any]
) -> None:
    await lose(caller, "district")

    answer = caller.ask("{ viewer { id } }")

    assert answer.status_code == 500
    assert answer.json() == error(
        f"Internal error. Give this id to your administrator: {answer.headers['x-request-id']}.",
        "INTERNAL",
    )
    [line] = [line for line in lines if line["event"] == "request"]
    assert (line["log_level"], line["status"], line["route"]) == ("error", 500, "/graphql")
    assert isinstance(line["exc_info"], Exception)


async def test_a_fault_within_an_operation_says_only_where_the_log_has_it(
    caller: Caller, lines: list[Any]
) -> None:
    await lose(caller, "content")

    answer = caller.ask('{ viewer { id } message(id: "message.1") { subject body } }')

    assert answer.status_code == 200
    [problem] = answer.json()["errors"]
    assert answer.json()["data"] == {"viewer": {"id": "u1"}, "message": None}
    assert (problem["path"], problem["extensions"]) == (["message", "body"], {"code": "INTERNAL"})
    under = re.fullmatch(UNDER, problem["message"])
    assert under is not None
    [line] = [line for line in lines if line["event"] == "operation failed"]
    assert (line["error_id"], line["where"]) == (under[1], "message.body")
    for word in ("SELECT", "content", "sqlite", "no such table", str(caller.settings.data_dir)):
        assert word not in answer.text


async def test_a_fault_on_a_websocket_ends_the_operation_and_not_the_socket(
    caller: Caller, lines: list[Any]
) -> None:
    await lose(caller, "district")
    assert isinstance(caller.client, TestClient)
    signed_in = {"Authorization": f"Bearer {caller.token()}"}
    asked = {"id": "1", "type": "subscribe", "payload": {"query": "{ viewer { id } }"}}

    with caller.client.websocket_connect("/graphql", ["graphql-transport-ws"]) as socket:
        socket.send_json({"type": "connection_init", "payload": signed_in})
        assert socket.receive_json() == {"type": "connection_ack"}
        for _ in range(2):
            socket.send_json(asked)
            answer = socket.receive_json()
            assert (answer["type"], answer["id"]) == ("error", "1")
            assert answer["payload"][0]["extensions"] == {"code": "INTERNAL"}
            assert re.fullmatch(UNDER, answer["payload"][0]["message"])

    assert [line["event"] for line in lines].count("operation failed") == 2


async def test_a_database_that_is_behind_makes_a_server_not_ready(caller: Caller) -> None:
    await lose(caller, "alembic_version")

    answer = caller.client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["status"] == "not ready"
    assert answer.json()["database"].startswith("The database has no tables yet, ")
