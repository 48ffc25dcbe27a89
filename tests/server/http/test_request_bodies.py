"""Bodies over a real connection: limits of size and time."""

import asyncio
import json
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from starlette.requests import Request

from db.tables.log import MESSAGE
from server.graphql import request
from server.http.request_bodies import SLOWEST, BodyTimeout, read_pieces
from server.http.responses import TooLarge, TooSlow
from server.routes import callbacks
from tests.log import message
from tests.server.calling import Caller, body_of, calling_a_server, error

LONG: Final = 30.0
LARGEST: Final = 4_000
NDJSON: Final = "application/x-ndjson"


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Caller]:
    with calling_a_server(
        tmp_path_factory.mktemp("bodies"), sqlite_template, ingest_bytes=LARGEST, body_seconds=0.2
    ) as caller:
        yield caller


def connected(caller: Caller, path: str, content_type: str, *headers: str) -> socket.socket:
    """A request whose body is still to come."""
    address = caller.client.base_url
    assert address.port is not None
    line = socket.create_connection((address.host, address.port), timeout=LONG)
    said = [
        f"POST {path} HTTP/1.1",
        "host: here",
        f"authorization: Bearer {caller.token()}",
        f"content-type: {content_type}",
        *headers,
    ]
    line.sendall("\r\n".join([*said, "", ""]).encode())
    return line


def answer(line: socket.socket) -> tuple[int, dict[str, Any]]:
    """The status and the only error of an answer."""
    with line.makefile("rb") as file:
        status = int(file.readline().split()[1])
        length = 0
        while header := file.readline().rstrip().decode().lower():
            if header.startswith("content-length: "):
                length = int(header.partition(": ")[2])
        (error,) = json.loads(file.read(length))["errors"]
    return status, {"code": error["extensions"]["code"], "message": error["message"]}


async def messages(caller: Caller) -> int:
    database = caller.database()
    async with database.reading() as connection:
        count = await connection.scalar(sa.select(sa.func.count()).select_from(MESSAGE))
    await database.dispose()
    assert count is not None
    return count


ROUTES = [
    ("/graphql", "application/json", request.LARGEST, "Ask for less at once."),
    ("/ingest", NDJSON, LARGEST, "Send the messages in several uploads."),
]


@pytest.mark.parametrize(("path", "content_type", "most", "advice"), ROUTES)
def test_a_body_that_says_that_it_is_too_large_is_refused_before_it_comes(
    caller: Caller, path: str, content_type: str, most: int, advice: str
) -> None:
    with connected(caller, path, content_type, f"content-length: {most + 1}") as line:
        assert answer(line) == (
            413,
            {
                "code": "BAD_USER_INPUT",
                "message": f"The body is larger than {most} bytes. {advice}",
            },
        )


@pytest.mark.parametrize(("path", "content_type", "most", "advice"), ROUTES)
def test_a_body_of_unknown_length_is_read_no_further_than_its_limit(
    caller: Caller, path: str, content_type: str, most: int, advice: str
) -> None:
    with connected(caller, path, content_type, "transfer-encoding: chunked") as line:
        line.sendall(b"%x\r\n" % (most + 1) + b" " * (most + 1))  # and its end never comes

        assert answer(line)[0] == 413


def test_no_provider_sends_as_much_as_a_callback_may_have(caller: Caller) -> None:
    """Which is not set up here: then nothing is read at all."""
    large = f"content-length: {callbacks.LARGEST + 1}"
    with connected(caller, "/callbacks/twilio", "text/plain", large) as line:
        assert line.recv(100).startswith(b"HTTP/1.1 404 ")


async def test_an_upload_that_is_too_large_leaves_nothing(caller: Caller) -> None:
    lines = b"".join(message(f"L-{number}") for number in range(100))
    assert len(lines) > LARGEST
    before = await messages(caller)
    with connected(caller, "/ingest", NDJSON, "transfer-encoding: chunked") as line:
        for at in range(0, LARGEST + 1, 500):
            line.sendall(b"1f4\r\n" + lines[at : at + 500] + b"\r\n")

        assert answer(line)[0] == 413
    assert await messages(caller) == before


@pytest.mark.parametrize(("path", "content_type", "most", "advice"), ROUTES)
@pytest.mark.parametrize("coding", ["gzip", "br, identity", "GZIP", "no such"])
def test_a_body_that_is_compressed_is_not_read(
    caller: Caller, path: str, content_type: str, most: int, advice: str, coding: str
) -> None:
    refused = caller.post(
        b"{}", path=path, content_type=content_type, **{"content-encoding": coding}
    )

    assert (refused.status_code, refused.headers["accept-encoding"], refused.json()) == (
        415,
        "identity",
        error(
            "The body has a Content-Encoding. Send it as it is, not compressed, without that header.",
            "BAD_USER_INPUT",
        ),
    )


@pytest.mark.parametrize("coding", ["identity", "Identity"])
def test_a_body_that_says_it_is_not_compressed_is_read(caller: Caller, coding: str) -> None:
    answered = caller.post(b'{"query": "{ __typename }"}', **{"content-encoding": coding})

    assert body_of(answered) == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(("path", "content_type", "most", "advice"), ROUTES)
async def test_a_body_that_comes_byte_for_byte_is_not_waited_for(
    caller: Caller, path: str, content_type: str, most: int, advice: str
) -> None:
    before = await messages(caller)
    with connected(caller, path, content_type, "content-length: 1000") as line:
        while not select.select([line], [], [], 0.01)[0]:
            line.send(b" ")

        assert answer(line) == (
            408,
            {
                "code": "BAD_USER_INPUT",
                "message": "The body kept us waiting for more than 0.2 seconds. Send it again, without pauses.",
            },
        )
        assert line.recv(1) == b""
    assert await messages(caller) == before


# The reader


def of(*sent: bytes, length: str | None = None) -> Request:
    """A request with such a body."""
    rest = list(sent)
    headers = [] if length is None else [(b"content-length", length.encode())]

    async def receive() -> Any:
        body = rest.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(rest)}

    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


@pytest.mark.parametrize("length", [None, "6", "no number", "-1"])
async def test_a_body_of_the_largest_size_is_read(length: str | None) -> None:
    request = of(b"abc", b"def", length=length)

    assert b"".join([piece async for piece in read_pieces(request, 6, advice="")]) == b"abcdef"


@pytest.mark.parametrize("length", ["7", "9" * 10_000])
async def test_a_length_is_believed_where_it_is_too_large(length: str) -> None:
    with pytest.raises(TooLarge):
        await anext(read_pieces(of(b"", length=length), 6, advice=""))


# The middleware


class Sender:
    """Whoever sends a body, and then nothing more; where it ends with `None`, the body is not whole."""

    def __init__(self, *sent: bytes | None) -> None:
        self._rest = list(sent)

    async def receive(self) -> Any:
        body = self._rest.pop(0) if self._rest else None
        if body is None:
            await asyncio.get_running_loop().create_future()
        return {"type": "http.request", "body": body, "more_body": bool(self._rest)}


async def nowhere(message: Any) -> None:
    """Where an answer goes that nobody looks at."""


async def test_a_route_that_has_begun_its_response_receives_a_disconnect() -> None:
    heard = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        heard.append(await receive())

    await BodyTimeout(app, seconds=0.01)({"type": "http"}, Sender(None).receive, nowhere)

    assert heard == [{"type": "http.disconnect"}]


async def test_after_a_complete_body_the_route_has_no_time_limit() -> None:
    """A stream of events waits for its reader to leave."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["more_body"] is False
        leaving = asyncio.ensure_future(receive())
        done, _ = await asyncio.wait([leaving], timeout=0.05)
        assert done == set()
        leaving.cancel()

    await BodyTimeout(app, seconds=0.01)({"type": "http"}, Sender(b"all").receive, nowhere)


async def test_a_route_may_take_its_time_over_each_piece() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in sent:
            await receive()
            await asyncio.sleep(0.02)

    sent = [bytes(SLOWEST)] * 5

    await BodyTimeout(app, seconds=0.01)({"type": "http"}, Sender(*sent).receive, nowhere)


async def test_patience_ends_where_the_body_does_not() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass

    with pytest.raises(TooSlow):
        await BodyTimeout(app, seconds=0.01)({"type": "http"}, Sender(b"a", None).receive, nowhere)
