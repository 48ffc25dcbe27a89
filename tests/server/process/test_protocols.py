"""Connections, over real ones: what is too slow, too large or too many is refused in words, and the others are answered."""

import asyncio
import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final

import pytest
from structlog.testing import capture_logs
from websockets.frames import Frame, Opcode

from server.process.protocols import Terms
from tests.live_server import TERMS, serving

LONG: Final = 30.0
"""Seconds after which what has not come will not come any more."""

SOON: Final = 0.05
"""Seconds of patience of a server that is to lose it."""

MUCH: Final = 64 * 1024 * 1024
"""Bytes: more than all that lies between a server and its client holds."""

GET: Final = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"
UPGRADE: Final = (
    b"GET / HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


class App:
    """What is served: it answers each request with its body; it answers `/held` when it is let go, and `/much` with much."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        """Once for each request that was begun."""
        self.ended = threading.Semaphore(0)
        self._gone = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        self.begun.release()
        try:
            if scope["type"] == "websocket":
                await self._talk(receive, send)
            else:
                await self._answer(scope, receive, send)
        finally:
            self.ended.release()

    def let_go(self) -> None:
        self._gone.set()

    async def _talk(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            telling = asyncio.ensure_future(self._tell_much(send))
            telling.add_done_callback(lambda told: told.exception())

    async def _tell_much(self, send: Any) -> None:
        for _ in range(MUCH // 2**20):
            await send({"type": "websocket.send", "text": " " * 2**20})

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more and (message := await receive())["type"] != "http.disconnect":
            body += message["body"]
            more = message["more_body"]
        if scope["path"] == "/held":
            await asyncio.to_thread(self._gone.wait, LONG)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(MUCH // 2**20 if scope["path"] == "/much" else 0):
            await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def app() -> Iterator[App]:
    app = App()
    yield app
    app.let_go()


class Line:
    """A connection, byte for byte."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=LONG)
        self._file = self.socket.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def send(self, text: bytes) -> None:
        self.socket.sendall(text)

    def trickle(self, byte: bytes) -> None:
        """Send a byte again and again, until something comes back."""
        while not select.select([self.socket], [], [], SOON / 50)[0]:
            self.socket.send(byte)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        file = self._file
        status = int(file.readline().split()[1])
        headers: dict[str, str] = {}
        while line := file.readline().rstrip():
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        if "transfer-encoding" not in headers:
            return status, headers, file.read(int(headers.get("content-length", 0)))
        body = bytearray()
        while size := int(file.readline(), 16):
            body += file.read(size)
            file.readline()
        file.readline()
        return status, headers, bytes(body)

    def is_closed(self) -> bool:
        """Whether nothing more comes; waits for whatever does."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def all(self) -> int:
        """How many bytes come until the connection ends."""
        size = 0
        try:
            while piece := self._file.read1(2**20):
                size += len(piece)
        except ConnectionResetError:
            pass
        return size


@contextmanager
def served(app: App, terms: Terms) -> Iterator[Any]:
    """Makes connections to the application, which all end with the block."""
    with ExitStack() as lines, serving(app, terms) as address:

        def connect() -> Line:
            line = Line(address)
            lines.callback(line.close)
            return line

        try:
            yield connect
        finally:
            app.let_go()
            lines.close()


def refused(line: Line) -> tuple[int, str, str]:
    """How a connection was refused: status, code and message; and that it ends with that."""
    status, headers, body = line.answer()
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
    assert line.is_closed()
    (error,) = json.loads(body)["errors"]
    return status, error["extensions"]["code"], error["message"]


# Heads


TOO_SLOW = (
    408,
    "BAD_USER_INPUT",
    "The head of the request was not whole in 0.05 seconds. Send it at once.",
)


@pytest.mark.parametrize(
    "begun", [b"GET /", b"GET / HTTP/1.1\r\nhost: here\r\nx: ", GET[:-2], UPGRADE], ids=repr
)
def test_a_head_that_comes_byte_for_byte_is_not_waited_for(app: App, begun: bytes) -> None:
    with served(app, TERMS._replace(head_seconds=SOON)) as connect:
        line = connect()
        line.send(begun)
        line.trickle(b"x")

        assert refused(line) == TOO_SLOW


def test_a_second_head_has_its_time_too(app: App) -> None:
    with served(app, TERMS._replace(head_seconds=SOON)) as connect:
        line = connect()
        line.send(GET)
        assert line.answer()[0] == 200
        line.send(GET[:5])

        assert refused(line) == TOO_SLOW


def test_whoever_says_nothing_is_told_nothing(app: App) -> None:
    with served(app, TERMS._replace(head_seconds=SOON)) as connect:
        assert connect().is_closed()


def test_an_idle_connection_is_not_kept_for_ever(app: App) -> None:
    with served(app, TERMS._replace(keep_alive_seconds=0)) as connect:
        line = connect()
        line.send(GET)

        assert line.answer()[0] == 200
        assert line.is_closed()


LARGE = 4_096
HEAD_TOO_LARGE = (
    431,
    "BAD_USER_INPUT",
    "The address and the headers are larger than 4096 bytes. Send what is long in the body.",
)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * LARGE + b" HTTP/1.1\r\n\r\n",
        b"GET /" + b"x" * 2**20,
        b"GET / HTTP/1.1\r\nx: " + b"x" * LARGE + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"x" * 2**20,
        b"GET / HTTP/1.1\r\n" + b"x" * 2**20,
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * LARGE,
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * LARGE,
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"x" * 2**20,
        UPGRADE + b"x: " + b"y" * LARGE + b"\r\n\r\n",
    ],
    ids=lambda head: repr(head[:60]),
)
def test_a_head_has_a_largest_size(app: App, head: bytes) -> None:
    with served(app, TERMS._replace(head_bytes=LARGE)) as connect:
        line = connect()
        line.send(head)
        begins_a_body = b"chunked" in head

        if begins_a_body:  # its request is being answered: nothing else may stand in between
            assert line.is_closed()
        else:
            assert refused(line) == HEAD_TOO_LARGE


def test_a_head_that_fits_is_taken_and_a_large_body_is_none(app: App) -> None:
    with served(app, TERMS._replace(head_bytes=LARGE)) as connect:
        line = connect()
        for _ in range(3):  # each has the whole size for itself
            line.send(b"POST / HTTP/1.1\r\nx: " + b"x" * (LARGE - 100) + b"\r\n")
            line.send(b"content-length: %d\r\n\r\n" % (9 * LARGE) + b"y" * 9 * LARGE)
            status, _, body = line.answer()
            assert (status, body) == (200, b"y" * 9 * LARGE)


@pytest.mark.parametrize(
    "more", [b"x: y\r\n" * 200, b"x: " + b"y" * 9_000 + b"\r\n"], ids=["many", "long"]
)
def test_an_upgrade_with_headers_that_its_reader_cannot_take_is_refused(
    app: App, more: bytes
) -> None:
    """It would fall over them, and leave the connection without a word."""
    with capture_logs() as lines, served(app, TERMS) as connect:
        line = connect()
        line.send(UPGRADE + more + b"\r\n")

        assert refused(line)[0] == 431
    assert [one["log_level"] for one in lines] == ["info"]


KEY: Final = b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


@pytest.mark.parametrize(
    ("head", "status", "words"),
    [
        (UPGRADE.replace(b"GET", b"POST"), 405, "A WebSocket is opened by GET."),
        (UPGRADE.replace(b"version: 13", b"version: 12"), 400, "This is no handshake"),
        (UPGRADE.replace(KEY, b""), 400, "This is no handshake"),
        (UPGRADE.replace(KEY, b"sec-websocket-key: short\r\n"), 400, "This is no handshake"),
    ],
    ids=["method", "version", "no key", "short key"],
)
def test_what_is_no_handshake_is_refused_as_all_else(
    app: App, head: bytes, status: int, words: str
) -> None:
    with served(app, TERMS) as connect:
        line = connect()
        line.send(head + b"\r\n")

        told = refused(line)
    assert (told[0], told[2].startswith(words)) == (status, True)


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"HELO here\r\n",
        b"\x00" * 100,
        b"GET /\xff HTTP/1.1\r\n\r\n",
    ],
    ids=repr,
)
def test_what_is_no_request_is_told_so(app: App, junk: bytes) -> None:
    with served(app, TERMS) as connect:
        line = connect()
        line.send(junk)

        assert refused(line) == (
            400,
            "BAD_USER_INPUT",
            "This is no HTTP/1.1 request. Send one.",
        )


# Many


def test_where_all_connections_are_in_use_one_more_is_told_when_to_come_again(app: App) -> None:
    with served(app, TERMS._replace(most=2)) as connect:
        busy = [connect(), connect()]
        for line in busy:
            line.send(GET.replace(b"/", b"/held", 1))
            app.begun.acquire(timeout=LONG)
        more = connect()
        more.send(GET)
        status, headers, body = more.answer()

        assert (status, headers["retry-after"]) == (503, "1")
        assert json.loads(body) == {
            "errors": [
                {
                    "message": "All 2 connections of this server are in use. Ask again in a moment.",
                    "extensions": {"code": "TOO_MUCH"},
                }
            ]
        }
        app.let_go()
        assert [line.answer()[0] for line in busy] == [200, 200]
        again = connect()
        again.send(GET)
        assert again.answer()[0] == 200


def test_whoever_has_waited_longest_for_a_request_gives_way_to_one_that_has_one(app: App) -> None:
    with served(app, TERMS._replace(most=2)) as connect:
        kept = connect()
        kept.send(GET)
        assert kept.answer()[0] == 200
        silent = connect()
        silent.send(GET[:3])
        third = connect()
        third.send(GET)

        assert third.answer()[0] == 200
        assert kept.is_closed()
        silent.send(GET[3:])
        assert silent.answer()[0] == 200


# Answers that are not taken


def test_an_answer_that_is_not_taken_is_not_kept_for_ever(app: App) -> None:
    with capture_logs() as lines, served(app, TERMS._replace(answer_seconds=SOON)) as connect:
        line = connect()
        line.send(GET.replace(b"/", b"/much", 1))

        assert app.ended.acquire(timeout=LONG)
        assert line.all() < MUCH
    assert [one["event"] for one in lines] == ["a connection was cut"]


def test_frames_that_are_not_taken_are_not_kept_for_ever(app: App) -> None:
    with served(app, TERMS._replace(answer_seconds=SOON)) as connect:
        line = connect()
        line.send(UPGRADE + b"\r\n")
        assert line.answer()[0] == 101
        line.send(frame(Opcode.TEXT, b"much"))

        assert app.ended.acquire(timeout=LONG)
        assert line.all() < MUCH


def test_an_answer_that_is_taken_slowly_comes_whole(app: App) -> None:
    """What counts is that some of it is taken, again and again."""
    with served(app, TERMS._replace(answer_seconds=LONG)) as connect:
        line = connect()
        line.send(GET.replace(b"/", b"/much", 1))

        assert len(line.answer()[2]) == MUCH


def test_whoever_sends_pings_and_reads_no_answers_is_left(app: App) -> None:
    """The answers would be kept, and pings come faster than any patience ends."""
    with capture_logs() as lines, served(app, TERMS._replace(answer_seconds=LONG)) as connect:
        line = connect()
        line.send(UPGRADE + b"\r\n")
        assert line.answer()[0] == 101
        line.send(frame(Opcode.TEXT, b"much"))
        pings = frame(Opcode.PING, bytes(125)) * 1_000
        with suppress(ConnectionError):
            while not app.ended.acquire(blocking=False):
                line.send(pings)

        assert line.all() < MUCH
    assert [one["reason"] for one in lines] == ["its pongs were not taken"]


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """A frame of a client."""
    return Frame(opcode, payload).serialize(mask=True)
