"""Differences between clients that have no effect: an empty operation name, a byte order mark."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from server.graphql.persisted_documents import read_manifest
from tests.server.calling import Caller, body_of, calling, error

VIEWER: Final = "{ viewer { id } }"
ANSWERED: Final = {"data": {"viewer": {"id": "u1"}}}
MARK: Final = "\ufeff"


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Caller]:
    with calling(tmp_path_factory.mktemp("json"), sqlite_template, get_queries=True) as caller:
        yield caller


def get(caller: Caller, query: str) -> Any:
    headers = {"authorization": f"Bearer {caller.token()}"}
    return caller.client.get(f"/graphql?{query}", headers=headers)


def over_a_websocket(caller: Caller, frame: str) -> Any:
    """The answer to a frame, sent after the sign-in."""
    client: Any = caller.client
    init = {"Authorization": f"Bearer {caller.token()}"}
    with client.websocket_connect("/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        socket.send_text(MARK + json.dumps({"type": "connection_init", "payload": init}))
        assert socket.receive_json() == {"type": "connection_ack"}
        socket.send_text(frame)
        return socket.receive_json()


def subscribe(**payload: Any) -> str:
    return json.dumps({"type": "subscribe", "id": "1", "payload": payload})


@pytest.mark.parametrize("query", [VIEWER, "query Named { viewer { id } }"])
def test_an_empty_operation_name_is_none_by_post(caller: Caller, query: str) -> None:
    answer = caller.post(json.dumps({"query": query, "operationName": ""}))

    assert (answer.status_code, body_of(answer)) == (200, ANSWERED)


def test_an_empty_operation_name_is_none_by_get(caller: Caller) -> None:
    answer = get(caller, "query=query%20Named{viewer{id}}&operationName=")

    assert (answer.status_code, body_of(answer)) == (200, ANSWERED)


def test_an_empty_operation_name_is_none_over_a_websocket(caller: Caller) -> None:
    answer = over_a_websocket(caller, subscribe(query=VIEWER, operationName=""))

    assert (answer["type"], answer["payload"]["data"]) == ("next", ANSWERED["data"])


def test_an_empty_operation_name_is_none_in_a_stream_of_events(caller: Caller) -> None:
    body = json.dumps({"query": VIEWER, "operationName": ""})
    answer = caller.post(body, accept="text/event-stream")

    assert answer.status_code == 200
    assert '"data":{"viewer":{"id":"u1"}}' in answer.text


def test_an_empty_operation_name_does_not_choose_among_several(caller: Caller) -> None:
    two = "query A { viewer { id } } query B { viewer { name } }"
    answers = [
        caller.post(json.dumps({"query": two, **name})).json()
        for name in ({"operationName": ""}, {})
    ]

    assert answers[0] == answers[1]
    assert answers[0]["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


def test_a_body_with_a_byte_order_mark_is_read(caller: Caller) -> None:
    answer = caller.post((MARK + json.dumps({"query": VIEWER})).encode())

    assert (answer.status_code, body_of(answer)) == (200, ANSWERED)


def test_only_one_byte_order_mark_is_passed_over(caller: Caller) -> None:
    answer = caller.post((2 * MARK + json.dumps({"query": VIEWER})).encode())

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"].startswith("The body is not JSON in UTF-8.")


def test_variables_of_an_address_with_a_byte_order_mark_are_read(caller: Caller) -> None:
    query = "query=query($no:Boolean!){viewer{id%20name%20@include(if:$no)}}"
    answer = get(caller, f'{query}&variables=%EF%BB%BF{{"no":false}}')

    assert (answer.status_code, body_of(answer)) == (200, ANSWERED)


def test_a_frame_with_a_byte_order_mark_is_read(caller: Caller) -> None:
    answer = over_a_websocket(caller, MARK + subscribe(query=VIEWER))

    assert answer["payload"]["data"] == ANSWERED["data"]


def test_a_list_of_documents_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "documents.json"
    file.write_text(MARK + json.dumps({"a1": VIEWER}), encoding="utf-8")

    assert read_manifest(file) == {"a1": VIEWER}


def half(field: str, code_point: str) -> dict[str, Any]:
    return error(
        f"`{field}` holds half of a surrogate pair ({code_point}), which is not a character."
        " Send whole characters.",
        "BAD_USER_INPUT",
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (rb'{"query":"{ a }\ud83d"}', "query"),
        (b'{"query":"{ a }\xed\xa0\xbd"}', "query"),
        (rb'{"query":"{a}","operationName":"\ud83d"}', "operationName"),
        (rb'{"query":"{a}","variables":{"f":{"in":["x","\ud83d"]}}}', "variables.f.in[1]"),
        (rb'{"query":"{a}","variables":{"\ud83d":1}}', "variables"),
        (rb'{"documentId":"\ud83d"}', "documentId"),
    ],
)
def test_half_of_a_surrogate_pair_in_a_body_is_named(
    caller: Caller, body: bytes, field: str
) -> None:
    answer = caller.post(body)

    assert (answer.status_code, answer.json()) == (400, half(field, "U+D83D"))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("query={viewer{id}}%ED%A0%BD", "query"),
        ("query={viewer{id}}&operationName=%ED%A0%BD", "operationName"),
        ('query={viewer{id}}&variables={"a":"%ED%A0%BD"}', "variables"),
        (r'query={viewer{id}}&variables={"a":["\ud83d"]}', "variables.a[0]"),
        (r'query={viewer{id}}&extensions={"a":"\ud83d"}', "extensions.a"),
    ],
)
def test_half_of_a_surrogate_pair_in_an_address_is_named(
    caller: Caller, query: str, field: str
) -> None:
    answer = get(caller, query)

    assert (answer.status_code, answer.json()) == (400, half(field, "U+D83D"))


def test_an_address_that_is_not_utf_8_is_refused_and_not_read_as_another_text(
    caller: Caller,
) -> None:
    answer = get(caller, "query={viewer{id}}%FF")

    assert (answer.status_code, answer.json()) == (
        400,
        error("The address is not UTF-8. Encode its parameters again.", "BAD_USER_INPUT"),
    )


def test_a_whole_pair_is_a_character(caller: Caller) -> None:
    answer = caller.post(rb'{"query":"{ viewer { id } } # \ud83d\ude00"}')

    assert (answer.status_code, body_of(answer)) == (200, ANSWERED)
