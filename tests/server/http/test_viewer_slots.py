"""The limits of one viewer: requests, WebSockets and subscriptions are counted, and released at their end."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from httpx2 import Response
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from domain.errors import RateLimited
from server.http.viewer_slots import ViewerCounter, ViewerSlots, take_slot
from tests.server.calling import JSON, Caller, body_of, calling_a_server

VIEWER: Final = "{ viewer { id } }"
WATCH: Final = 'subscription { messageChanged(id: "message.1") { subject } }'


@pytest.fixture
def caller(tmp_path: Path, sqlite_template: Path) -> Iterator[Caller]:
    with calling_a_server(
        tmp_path, sqlite_template, viewer_connections=3, viewer_subscriptions=2
    ) as caller:
        yield caller


def ask(caller: Caller, **said: Any) -> Response:
    return caller.ask(VIEWER, authorization=f"Bearer {caller.token(**said)}")


@contextmanager
def watching(caller: Caller) -> Iterator[Response]:
    """A stream of events that has begun, or was refused."""
    headers = {
        "authorization": f"Bearer {caller.token()}",
        "accept": "text/event-stream",
        "content-type": JSON,
    }
    asked = json.dumps({"query": WATCH})
    with caller.client.stream("POST", "/graphql", content=asked, headers=headers) as stream:
        events = stream.iter_text()  # to be kept: with it the stream would be closed
        if stream.status_code == 200:
            assert "subject" in next(events)
        yield stream
        del events


@contextmanager
def connected(caller: Caller) -> Iterator[ClientConnection]:
    """A WebSocket that has said who it is."""
    address = str(caller.client.base_url).replace("http", "ws") + "/graphql"
    with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as line:
        init = {"Authorization": f"Bearer {caller.token()}"}
        line.send(json.dumps({"type": "connection_init", "payload": init}))
        yield line


def watch(line: ClientConnection, id: str) -> Any:
    """The first that comes of a subscription."""
    line.send(json.dumps({"type": "subscribe", "id": id, "payload": {"query": WATCH}}))
    return json.loads(line.recv())


REFUSED = {
    "message": "You have 2 operations on WebSockets and streams under way, which is all you may. End one first.",
    "extensions": {"code": "TOO_MUCH"},
}


def test_subscriptions_count_alike_on_a_websocket_and_as_events(caller: Caller) -> None:
    with connected(caller) as line, watching(caller):
        assert json.loads(line.recv()) == {"type": "connection_ack"}
        assert watch(line, "1")["type"] == "next"
        with watching(caller) as refused:
            refused.read()
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert body_of(refused) == {"errors": [REFUSED]}
        assert watch(line, "2") == {"type": "error", "id": "2", "payload": [REFUSED]}
        assert ask(caller).status_code == 200


def test_a_subscription_that_has_ended_makes_room(caller: Caller) -> None:
    with connected(caller) as line:
        assert json.loads(line.recv()) == {"type": "connection_ack"}
        with watching(caller):
            assert watch(line, "1")["type"] == "next"
        while watch(line, "2")["type"] == "error":  # until the server has heard of it
            pass


def test_a_viewer_has_so_many_requests_and_websockets_and_others_have_theirs(
    caller: Caller,
) -> None:
    with watching(caller), connected(caller) as one, connected(caller) as other:
        assert [json.loads(line.recv())["type"] for line in (one, other)] == ["connection_ack"] * 2
        refused = ask(caller)
        with connected(caller) as another, pytest.raises(ConnectionClosed):
            another.recv()

        message = (
            "You have 3 requests and WebSockets under way, which is all you may. End one first."
        )
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert body_of(refused) == {
            "errors": [{"message": message, "extensions": {"code": "TOO_MUCH"}}]
        }
        assert (another.close_code, another.close_reason) == (1013, message)
        assert ask(caller, id="u2").status_code == 200
        assert (
            ask(caller, district="elsewhere").status_code == 403
        )  # without the refusal for too many
    while ask(caller).status_code == 429:  # until the server has heard that they left
        pass
    assert ask(caller).status_code == 200


async def test_two_sign_ins_on_a_connection_take_one_slot() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        take_slot("plainview/u1")
        take_slot("plainview/u1")
        assert len(places.counter) == 1

    async def nothing(*message: Any) -> Any:
        pass

    places = ViewerSlots(app, most=1)
    await places({"type": "http"}, nothing, nothing)

    assert len(places.counter) == 0


async def test_a_place_is_given_back_after_a_fault() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        take_slot("plainview/u1")
        raise ZeroDivisionError

    async def nothing(*message: Any) -> Any:
        pass

    places = ViewerSlots(app, most=1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await places({"type": "websocket"}, nothing, nothing)

    assert len(places.counter) == 0


def test_outside_of_a_request_there_are_no_places() -> None:
    take_slot("plainview/u1")


def test_what_was_refused_is_not_held() -> None:
    held = ViewerCounter(1, what="things")
    held.take("one")
    for _ in range(3):
        with pytest.raises(RateLimited):
            held.take("one")
    held.give_back("one")
    held.take("one")

    assert len(held) == 1
