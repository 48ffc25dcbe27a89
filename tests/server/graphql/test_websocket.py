"""Operations over a real WebSocket: sign-in, results, and that no frame crashes the server."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from strawberry.http.exceptions import WebSocketDisconnected
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from domain.message import Source
from server.graphql.websocket import Socket
from server.settings.connections import ConnectionSettings
from tests.log import NOON, load, message
from tests.server.calling import Caller, calling_a_server
from tests.server.graphql.sockets import closed, heard, opened, say

VIEWER = {"query": "{ viewer { id } }"}
ANSWERED = {"data": {"viewer": {"id": "u1"}}}
WATCH = {"query": 'subscription { messageChanged(id: "message.1") { subject } }'}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Caller]:
    with calling_a_server(tmp_path_factory.mktemp("frames"), sqlite_template) as caller:
        yield caller


@pytest.fixture
def caller(served: Caller) -> Caller:
    """The one server of these tests, at noon."""
    served.clock.now = NOON
    return served


@pytest.fixture
def address(caller: Caller) -> str:
    """Where the socket is."""
    return str(caller.client.base_url).replace("http", "ws") + "/graphql"


async def test_operations_run_after_sign_in(caller: Caller, address: str) -> None:
    async with opened(address, f"Bearer {caller.token()}") as socket:
        await say(socket, "subscribe", id="1", payload=VIEWER)

        assert await heard(socket) == {"type": "next", "id": "1", "payload": ANSWERED}
        assert await heard(socket) == {"type": "complete", "id": "1"}

        # the id is free again
        await say(socket, "subscribe", id="1", payload=VIEWER)
        assert await heard(socket) == {"type": "next", "id": "1", "payload": ANSWERED}


async def test_a_ping_is_answered_before_anybody_has_signed_in(address: str) -> None:
    async with opened(address) as socket:
        await say(socket, "ping", payload={"a": 1})
        await say(socket, "pong")
        await say(socket, "ping")

        assert [await heard(socket), await heard(socket)] == [{"type": "pong"}] * 2


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (None, "You are not signed in. Send the header Authorization: Bearer with a token."),
        ({}, "You are not signed in. Send the header Authorization: Bearer with a token."),
        (
            {"Authorization": "Bearer x.y.z"},
            "Your sign-in is not valid here. Sign in again; if that does not help, ask who manages your account.",
        ),
        (
            {"Authorization": ["Bearer"]},
            'The connection needs one text: {"Authorization": "Bearer …"}.',
        ),
        (
            {"Authorization": "Bearer a", "authorization": "Bearer b"},
            'The connection needs one text: {"Authorization": "Bearer …"}.',
        ),
    ],
)
async def test_a_refused_connection_is_closed_with_the_reason(
    address: str, payload: Any, reason: str
) -> None:
    async with opened(address) as socket:
        await say(socket, "connection_init", payload=payload)

        assert await closed(socket) == (4403, reason)


async def test_a_sign_in_that_has_expired_opens_nothing(caller: Caller, address: str) -> None:
    token = caller.token()
    caller.clock.advance(hours=2)
    async with opened(address) as socket:
        await say(socket, "connection_init", payload={"authorization": f"Bearer {token}"})

        assert await closed(socket) == (4403, "Your sign-in has expired. Sign in again.")


async def test_a_sign_in_that_expires_ends_at_the_next_operation(
    caller: Caller, address: str
) -> None:
    async with opened(address, f"Bearer {caller.token()}") as socket:
        caller.clock.advance(hours=2)
        await say(socket, "subscribe", id="1", payload=VIEWER)

        assert await closed(socket) == (
            4403,
            "Your sign-in has expired. Sign in again and reconnect.",
        )


async def test_a_district_that_the_log_does_not_know_is_forbidden(
    caller: Caller, address: str
) -> None:
    async with opened(address, f"Bearer {caller.token(district='nowhere')}") as socket:
        await say(socket, "subscribe", id="1", payload=VIEWER)

        assert await closed(socket) == (
            4403,
            "The log has no district 'nowhere', for which you are signed in. Nothing was sent there yet.",
        )


async def test_each_operation_sees_its_own_moment(caller: Caller, address: str) -> None:
    database = caller.database()
    later = NOON + timedelta(minutes=5)
    await load(
        database,
        message("later", source=Source.SCHEDULER, scheduled_at=later, status=None),
    )
    await database.dispose()
    asked = {"query": '{ message(id: "message.2") { externalId } }'}
    seen = []
    async with opened(address, f"Bearer {caller.token()}") as socket:
        for id in ("1", "2"):
            await say(socket, "subscribe", id=id, payload=asked)
            seen.append((await heard(socket))["payload"]["data"]["message"])
            assert (await heard(socket))["type"] == "complete"
            caller.clock.advance(minutes=5)

    assert seen == [None, {"externalId": "later"}]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": "{"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "{ unknown }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "fragment F on Viewer { id }"}, "BAD_USER_INPUT"),
        ({"query": "query A { viewer { id } }", "operationName": "B"}, "BAD_USER_INPUT"),
        ({"query": "query A { viewer { id } } query B { viewer { id } }"}, "BAD_USER_INPUT"),
        (
            {"query": "{ viewer { ...A } } fragment A on Viewer { ...A }"},
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ({"query": "{" + "a: __typename " * 300 + "}"}, "TOO_COMPLEX"),
        ({"query": "{ viewer { id } } #" + "x" * 65_536}, "TOO_COMPLEX"),
    ],
)
async def test_an_operation_that_cannot_run_is_an_error_of_its_own(
    caller: Caller, address: str, payload: dict[str, Any], code: str
) -> None:
    async with opened(address, f"Bearer {caller.token()}") as socket:
        await say(socket, "subscribe", id="1", payload=payload)

        answer = await heard(socket)
        assert (answer["type"], answer["id"]) == ("error", "1")
        assert [error["extensions"] for error in answer["payload"]] == [{"code": code}]

        # and the socket goes on
        await say(socket, "subscribe", id="1", payload=VIEWER)
        assert (await heard(socket))["payload"] == ANSWERED


async def test_what_never_ran_has_no_data_and_what_failed_has_null(
    caller: Caller, address: str
) -> None:
    days = '{from: "2020-02-01", to: "2020-01-01"}'
    unfit = {"query": "query($id: ID!) { message(id: $id) { id } }"}
    failing = {"query": f"{{ messages(createdBetween: {days}, first: 0) {{ totalCount }} }}"}
    async with opened(address, f"Bearer {caller.token()}") as socket:
        payloads = []
        for id, payload in (("1", unfit), ("2", failing)):
            await say(socket, "subscribe", id=id, payload=payload)
            payloads.append((await heard(socket))["payload"])
            assert (await heard(socket))["type"] == "complete"

    assert [*payloads[0]] == ["errors"]
    assert [*payloads[1]] == ["data", "errors"]
    assert payloads[1]["data"] is None


async def test_a_viewer_has_only_so_many_operations_under_way(caller: Caller, address: str) -> None:
    token = f"Bearer {caller.token(id='busy')}"
    async with opened(address, token) as one, opened(address, token) as other:
        for id in range(ConnectionSettings().viewer_subscriptions):
            await say(one, "subscribe", id=str(id), payload=WATCH)
            assert (await heard(one))["type"] == "next"

        await say(other, "subscribe", id="more", payload=VIEWER)
        assert await heard(other) == {
            "type": "error",
            "id": "more",
            "payload": [
                {
                    "message": "You have 100 operations on WebSockets and streams under way, which is all you may. End one first.",
                    "extensions": {"code": "TOO_MUCH"},
                }
            ],
        }
        async with opened(address, f"Bearer {caller.token()}") as somebody_else:
            await say(somebody_else, "subscribe", id="1", payload=VIEWER)
            assert (await heard(somebody_else))["payload"] == ANSWERED

        await one.close()
        while True:  # until the server has heard of it
            await say(other, "subscribe", id="again", payload=VIEWER)
            answer = await heard(other)
            if answer["type"] == "next":
                break


LONG = "x" * 5_000
JUNK = {
    "a list": ("[]", "A message is a JSON object with a type."),
    "a number": ("5", "A message is a JSON object with a type."),
    "a text": ('"x"', "A message is a JSON object with a type."),
    "null": ("null", "A message is a JSON object with a type."),
    "an empty object": ("{}", "A message is a JSON object with a type."),
    "a type of five": ('{"type":5}', "A message is a JSON object with a type."),
    "a type of a list": ('{"type":[]}', "A message is a JSON object with a type."),
    "no JSON": ("hello", "WebSocket message must be valid JSON"),
    "nothing": ("", "WebSocket message must be valid JSON"),
    "a hundred thousand lists": ("[" * 100_000, "WebSocket message must be valid JSON"),
    "six thousand digits": (f'{{"type":{"9" * 6_000}}}', "WebSocket message must be valid JSON"),
    "half a surrogate pair": (
        '{"type":"\\ud800"}',
        "`type` holds half of a surrogate pair (U+D800), which is not a character. Send whole characters.",
    ),
    "bytes": (b'{"type":"ping"}', "WebSocket message type must be text"),
    "an unknown type": ('{"type":"start"}', "Unknown message type: start"),
    "a type of five thousand letters": (
        f'{{"type":"{LONG}"}}',
        f"Unknown message type: {LONG}"[:123],
    ),
    "a payload in a list": (
        '{"type":"ping","payload":[]}',
        "The payload of a message is a JSON object, or is left out.",
    ),
    "a sign-in of a text": (
        '{"type":"connection_init","payload":"Bearer"}',
        "The payload of a message is a JSON object, or is left out.",
    ),
    "an operation without id": (
        '{"type":"subscribe","payload":{"query":"{ viewer { id } }"}}',
        "A subscribe message has an id, which is a text.",
    ),
    "an id of five": (
        '{"type":"subscribe","id":5,"payload":{"query":"{ viewer { id } }"}}',
        "A subscribe message has an id, which is a text.",
    ),
    "an id of an object": (
        '{"type":"complete","id":{}}',
        "A complete message has an id, which is a text.",
    ),
    "no operation": (
        '{"type":"subscribe","id":"1"}',
        'This is not a JSON object. Send one operation, {"query": "…", "variables": {…}}.',
    ),
    "an operation of five": (
        '{"type":"subscribe","id":"1","payload":{"query":5}}',
        "`query` has to be the text of the operation.",
    ),
}


@pytest.mark.parametrize(("frame", "reason"), JUNK.values(), ids=JUNK)
async def test_junk_closes_the_socket_and_nothing_else(
    caller: Caller, address: str, frame: str | bytes, reason: str
) -> None:
    with capture_logs() as lines:
        for authorization in (None, f"Bearer {caller.token()}"):
            async with opened(address, authorization) as socket:
                await socket.send(frame)

                assert await closed(socket) == (4400, reason)

        async with opened(address, f"Bearer {caller.token()}") as socket:
            await say(socket, "subscribe", id="1", payload=VIEWER)
            assert (await heard(socket))["payload"] == ANSWERED
    assert [line for line in lines if line["log_level"] == "error"] == []


async def test_no_operation_comes_before_the_sign_in(address: str) -> None:
    async with opened(address) as socket:
        await say(socket, "subscribe", id="1", payload=VIEWER)

        assert await closed(socket) == (4401, "Unauthorized")


async def test_one_signs_in_once(caller: Caller, address: str) -> None:
    async with opened(address, f"Bearer {caller.token()}") as socket:
        await say(socket, "connection_init", payload={})

        assert await closed(socket) == (4429, "Too many initialisation requests")


async def test_an_id_is_one_operation_at_a_time_however_long_it_is(
    caller: Caller, address: str
) -> None:
    async with opened(address, f"Bearer {caller.token()}") as socket:
        await say(socket, "subscribe", id=LONG, payload=WATCH)
        assert (await heard(socket))["type"] == "next"
        await say(socket, "subscribe", id=LONG, payload=VIEWER)

        code, reason = await closed(socket)

    assert (code, reason) == (4409, f"Subscriber for {LONG}"[:123])


async def test_what_is_not_under_way_can_be_completed(caller: Caller, address: str) -> None:
    async with opened(address, f"Bearer {caller.token()}") as socket:
        await say(socket, "complete", id="never begun")
        await say(socket, "ping")

        assert await heard(socket) == {"type": "pong"}


@pytest.mark.parametrize("offered", [None, [Subprotocol("graphql-ws")]])
async def test_only_the_protocol_of_the_day_is_spoken(
    address: str, offered: list[Subprotocol] | None
) -> None:
    async with connect(address, subprotocols=offered) as socket:
        assert await closed(socket) == (4406, "Subprotocol not acceptable")


async def test_a_page_of_another_site_cannot_connect(address: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(address, origin="https://elsewhere.example"):
            pass

    assert refused.value.response.status_code == 403


async def test_that_somebody_leaves_in_the_middle_is_no_fault(caller: Caller, address: str) -> None:
    with capture_logs() as lines:
        for _ in range(5):
            async with opened(address, f"Bearer {caller.token()}") as socket:
                for id in range(20):
                    await say(socket, "subscribe", id=str(id), payload=VIEWER)
                socket.transport.abort()
        async with opened(address, f"Bearer {caller.token()}") as socket:
            await say(socket, "subscribe", id="1", payload=VIEWER)
            assert (await heard(socket))["payload"] == ANSWERED

    assert [line for line in lines if line["log_level"] == "error"] == []


@pytest.mark.parametrize(
    ("error", "written"), [(WebSocketDisconnected(), []), (ValueError(), ["a WebSocket failed"])]
)
async def test_only_what_went_wrong_is_written_down(error: Exception, written: list[str]) -> None:
    nobody: Any = None
    socket = Socket(nobody, nobody, nobody, None, nobody, timedelta())

    with capture_logs() as lines:
        await socket.handle_task_exception(error)

    assert [line["event"] for line in lines] == written
