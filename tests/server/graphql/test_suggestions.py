"""Errors suggest names of the schema to clients that may introspect, and to no others."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.server.calling import Caller, calling

DAYS: Final = 'createdBetween: {from: "2020-01-01", to: "2020-01-31"}'


def count(filter: str, variables: str = "") -> str:
    """A document that searches for messages."""
    return f"query{variables} {{ messages({DAYS}, filter: {filter}) {{ totalCount }} }}"


LIST: Final = {
    "search": count("$filter", "($filter: MessageFilter)"),
    "field": "{ viewer { naem } }",
    "argument": '{ message(idd: "message.1") { id } }',
    "type": count("$filter", "($filter: MessageFiltr)"),
    "fragment": '{ node(id: "message.1") { subject } }',
    "enum": count("{status: [SENTT]}"),
    "input": count("{statsu: [SENT]}"),
}
WRONG: Final[dict[str, Any]] = {
    "a field": ("field", None, "Cannot query field 'naem' on type 'Viewer'."),
    "an argument": ("argument", None, "Unknown argument 'idd' on field 'Query.message'."),
    "a type": ("type", None, "Unknown type 'MessageFiltr'."),
    "a field of a type behind an interface": (
        "fragment",
        None,
        "Cannot query field 'subject' on type 'Node'.",
    ),
    "a value of an enumeration": (
        "enum",
        None,
        "Value 'SENTT' does not exist in 'MessageStatus' enum.",
    ),
    "a field of an input": (
        "input",
        None,
        "Expected value of type 'MessageFilter' not to include unknown field 'statsu'.",
    ),
    "a field of an input in variables": (
        "search",
        {"filter": {"statsu": ["SENT"]}},
        "Expected value of type 'MessageFilter' not to include unknown field 'statsu'.",
    ),
    "a value of an enumeration in variables": (
        "search",
        {"filter": {"status": ["SENTT"]}},
        "Value 'SENTT' does not exist in 'MessageStatus' enum.",
    ),
}
HINTS: Final = ("Did you mean", "Choose among")


def of_mode(folder: Path, template: Path, mode: str, executor: str = "fast") -> Any:
    file = folder / "documents.json"
    file.write_text(json.dumps(LIST))
    return calling(folder, template, documents=file, documents_mode=mode, executor=executor)


@pytest.fixture(scope="module", params=["fast", "stock"])
def closed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[Caller]:
    """A log that takes documents of its list only, so that nobody may introspect."""
    folder = tmp_path_factory.mktemp("closed")
    with of_mode(folder, sqlite_template, "only", request.param) as caller:
        yield caller


@pytest.fixture(scope="module")
def open_(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Caller]:
    with of_mode(tmp_path_factory.mktemp("open"), sqlite_template, "allow") as caller:
        yield caller


def by_post(caller: Caller, payload: dict[str, Any]) -> list[str]:
    answer = caller.post(json.dumps(payload)).json()
    return [error["message"] for error in answer["errors"]]


def by_stream(caller: Caller, payload: dict[str, Any]) -> list[str]:
    answer = caller.post(json.dumps(payload), accept="text/event-stream").text
    data = next(line for line in answer.splitlines() if line.startswith("data:"))
    return [error["message"] for error in json.loads(data[5:])["errors"]]


def by_websocket(caller: Caller, payload: dict[str, Any]) -> list[str]:
    client: Any = caller.client
    init = {"Authorization": f"Bearer {caller.token()}"}
    with client.websocket_connect("/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        socket.send_json({"type": "connection_init", "payload": init})
        assert socket.receive_json() == {"type": "connection_ack"}
        socket.send_json({"type": "subscribe", "id": "1", "payload": payload})
        said = socket.receive_json()["payload"]
    return [error["message"] for error in (said["errors"] if isinstance(said, dict) else said)]


@pytest.mark.parametrize("ask", [by_post, by_stream, by_websocket])
@pytest.mark.parametrize(("id", "variables", "problem"), WRONG.values(), ids=WRONG)
def test_who_may_not_introspect_learns_what_is_wrong_and_no_other_name(
    closed: Caller, ask: Any, id: str, variables: Any, problem: str
) -> None:
    messages = ask(closed, {"documentId": id, "variables": variables})

    assert [message for message in messages if problem in message] == messages[:1]
    assert not [message for message in messages if any(hint in message for hint in HINTS)]


@pytest.mark.parametrize(("id", "variables", "problem"), WRONG.values(), ids=WRONG)
def test_who_may_introspect_gets_suggestions(
    open_: Caller, id: str, variables: Any, problem: str
) -> None:
    messages = by_post(open_, {"documentId": id, "variables": variables})

    assert problem in messages[0]
    assert any(hint in messages[0] for hint in HINTS)
