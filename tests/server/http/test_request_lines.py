"""The log has one line for each request and each WebSocket, and the request id in all lines of a request."""

import asyncio
import json
import re
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from server.http.request_log import RequestLog, note_viewer
from tests.server.log_lines import Log, captured_log, logger
from tests.server.process.test_log_output import AT


@pytest.fixture
def log() -> Iterator[Log]:
    """The captured log of the server."""
    with captured_log() as log:
        yield log


# Requests

SCOPE: Scope = {"type": "http", "method": "GET", "headers": []}


async def nothing_received() -> Message:
    raise AssertionError("nothing was to be received")


async def nothing_sent(message: Message) -> None:
    raise AssertionError(f"nothing was to be sent: {message}")


class Ticks:
    """A clock of seconds that goes on by 12.34 ms whenever it is asked."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        self.seconds += 0.01234
        return self.seconds


async def _page(request: Request) -> Response:
    note_viewer("u1")
    logger("server.page").info("at work")
    return PlainTextResponse("page", status_code=int(request.query_params.get("status", "200")))


async def _failing(request: Request) -> Response:
    raise ValueError("Parent, Heather")


async def _broken_off(request: Request) -> Response:
    async def parts() -> Any:
        yield b"half"
        raise ValueError("Parent, Heather")

    return StreamingResponse(parts())


async def _in_a_task(request: Request) -> Response:
    async def sign_in() -> None:
        note_viewer("u2")

    await asyncio.create_task(sign_in())
    logger("server.page").info("at work")
    return PlainTextResponse("page")


async def _socket(socket: WebSocket) -> None:
    if socket.query_params.get("refused"):
        await socket.close(4403)
        return
    if socket.query_params.get("denied"):
        await socket.send_denial_response(PlainTextResponse("no", status_code=401))
        return
    await socket.accept()
    note_viewer("u1")
    if socket.query_params.get("failing"):
        raise ValueError("Parent, Heather")
    if await socket.receive_text() == "bye":
        await socket.close(int(socket.query_params.get("code", "1000")))
    else:
        await socket.receive()


@pytest.fixture
def client(log: Log) -> Generator[TestClient]:
    app = Starlette(
        routes=[
            Route("/page/{id}", _page),
            Route("/failing", _failing),
            Route("/broken-off", _broken_off),
            Route("/task", _in_a_task),
            Route("/healthz", _page),
            Mount("/inner", routes=[Route("/page/{id}", _page)]),
            WebSocketRoute("/socket", _socket),
        ]
    )
    logged = RequestLog(app, clock=Ticks(), make_id=lambda: "made")
    with TestClient(logged, raise_server_exceptions=False) as client:
        yield client


def request_line(**changes: Any) -> dict[str, Any]:
    line = {
        "event": "request",
        "logger": "server.http.request_log",
        "level": "info",
        "at": AT,
        "request_id": "made",
        "method": "GET",
        "route": "/page/{id}",
        "status": 200,
        "ms": 12.3,
        "viewer": "u1",
    }
    return {name: value for name, value in {**line, **changes}.items() if value is not ...}


def test_a_request_is_one_line_and_its_id_is_in_all_others(client: TestClient, log: Log) -> None:
    answer = client.get("/page/Heather?name=Heather", headers={"Cookie": "Heather"})
    assert answer.headers["x-request-id"] == "made"
    assert log.lines() == [
        {
            "event": "at work",
            "logger": "server.page",
            "level": "info",
            "at": AT,
            "request_id": "made",
            "viewer": "u1",
        },
        request_line(),
    ]


async def test_after_a_request_lines_have_no_id(log: Log) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        note_viewer("u1")

    await RequestLog(app, clock=Ticks())(SCOPE, nothing_received, nothing_sent)
    log.lines()
    note_viewer("u9")
    logger().info("idle")
    (line,) = log.lines()
    assert line.keys() == {"event", "level", "logger", "at"}


@pytest.mark.parametrize("given", ["a", "4bf92f35-77b3.4da6_A3", "x" * 64])
def test_a_well_formed_id_is_kept(given: str, client: TestClient, log: Log) -> None:
    answer = client.get("/page/1", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == given
    assert [line["request_id"] for line in log.lines()] == [given, given]


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a@b", "+16125550101", "a/b", 'a"'])
def test_another_id_is_replaced(given: str, client: TestClient, log: Log) -> None:
    answer = client.get("/page/1", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == "made"
    assert [line["request_id"] for line in log.lines()] == ["made", "made"]


def test_each_request_has_a_new_id() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("page")(scope, receive, send)

    client = TestClient(RequestLog(app, clock=Ticks()))
    first, second = (client.get("/").headers["x-request-id"] for _ in range(2))
    assert re.fullmatch(r"[0-9a-f]{16}", first)
    assert first != second


@pytest.mark.parametrize(("status", "level"), [(404, "info"), (499, "info"), (503, "error")])
def test_faults_of_the_server_are_errors(
    status: int, level: str, client: TestClient, log: Log
) -> None:
    client.get(f"/page/1?status={status}")
    assert log.lines()[-1] == request_line(status=status, level=level)


def test_what_matched_no_route_is_not_quoted(client: TestClient, log: Log) -> None:
    client.get("/Heather")
    assert log.lines() == [request_line(route="none", status=404, viewer=...)]


def test_a_route_in_a_mount_is_the_inner_one(client: TestClient, log: Log) -> None:
    client.get("/inner/page/1")
    assert log.lines()[-1] == request_line()


def test_health_checks_are_for_debugging_unless_they_fail(client: TestClient, log: Log) -> None:
    client.get("/healthz")
    assert [line["event"] for line in log.lines()] == ["at work"]
    client.get("/healthz?status=503")
    assert log.lines()[-1] == request_line(route="/healthz", status=503, level="error")


def test_a_viewer_found_in_a_task_of_the_request_is_in_its_line(
    client: TestClient, log: Log
) -> None:
    client.get("/task")
    assert [line["viewer"] for line in log.lines()] == ["u2", "u2"]


def test_an_exception_is_in_the_line_of_its_request_and_goes_on(
    client: TestClient, log: Log
) -> None:
    answer = client.get("/failing")
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "made")
    (line,) = log.lines()
    stack = line.pop("stack")
    assert line == request_line(
        route="/failing", status=500, level="error", error="ValueError", viewer=...
    )
    assert stack[-1].endswith(" _failing")


def test_an_answer_that_breaks_off_is_an_error_under_the_status_it_began_with(
    client: TestClient, log: Log
) -> None:
    client.get("/broken-off")
    (line,) = log.lines()
    assert (line["status"], line["level"], line["error"]) == (200, "error", "ValueError")
    assert "Heather" not in json.dumps(line)


async def test_an_exception_before_any_answer_counts_as_500(log: Log) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("Heather")

    with pytest.raises(ValueError, match="Heather"):
        await RequestLog(app, clock=Ticks(), make_id=lambda: "made")(
            SCOPE, nothing_received, nothing_sent
        )
    (line,) = log.lines()
    assert (line["status"], line["route"], line["error"]) == (500, "none", "ValueError")


async def test_a_request_that_is_called_off_has_a_line_without_status(log: Log) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await RequestLog(app, clock=Ticks(), make_id=lambda: "made")(
            SCOPE, nothing_received, nothing_sent
        )
    assert log.lines() == [request_line(route="none", status=None, viewer=...)]


# WebSockets


def socket_line(**changes: Any) -> dict[str, Any]:
    return request_line(method="WEBSOCKET", route="/socket", **changes)


@pytest.mark.parametrize(("code", "level"), [(1000, "info"), (4401, "info"), (1011, "error")])
def test_a_websocket_is_one_line_with_the_code_that_the_server_closed_it_with(
    code: int, level: str, client: TestClient, log: Log
) -> None:
    with client.websocket_connect(f"/socket?code={code}") as socket:
        assert socket.extra_headers == [(b"x-request-id", b"made")]
        socket.send_text("bye")
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()
    assert log.lines() == [socket_line(status=code, level=level)]


def test_a_websocket_that_its_client_closed_has_that_code(client: TestClient, log: Log) -> None:
    with client.websocket_connect("/socket") as socket:
        socket.send_text("hello")
        socket.close(1001)
    (line,) = log.lines()
    assert line["status"] == 1001


@pytest.mark.parametrize(("query", "status"), [("refused=1", 403), ("denied=1", 401)])
def test_a_websocket_that_was_refused_has_the_status_of_the_answer(
    query: str, status: int, client: TestClient, log: Log
) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(f"/socket?{query}"):
        pass
    assert log.lines() == [socket_line(status=status, viewer=...)]


async def test_the_refusal_of_a_websocket_counts_and_not_the_hanging_up_that_follows(
    log: Log,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close", "code": 4403})
        await receive()

    async def receive() -> Message:
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(message: Message) -> None:
        assert message == {"type": "websocket.close", "code": 4403}

    scope: Scope = {"type": "websocket", "headers": []}
    await RequestLog(app, clock=Ticks(), make_id=lambda: "made")(scope, receive, send)
    assert log.lines() == [request_line(method="WEBSOCKET", route="none", status=403, viewer=...)]


def test_a_websocket_that_fails_is_an_error(client: TestClient, log: Log) -> None:
    with (
        pytest.raises(ValueError, match="Heather"),
        client.websocket_connect("/socket?failing=1") as socket,
    ):
        socket.receive_text()
    (line,) = log.lines()
    assert (line["level"], line["error"], line["viewer"]) == ("error", "ValueError", "u1")
    assert "Heather" not in json.dumps(line)


async def test_the_lifespan_is_no_request(log: Log) -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    await RequestLog(app, clock=Ticks())({"type": "lifespan"}, nothing_received, nothing_sent)
    assert (seen, log.lines()) == (["lifespan"], [])
