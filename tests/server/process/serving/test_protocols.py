"""Real connections: slow, large or excess ones are refused with a message, and the others are served."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import pytest
from structlog.testing import capture_logs
from websockets.frames import Frame, Opcode

from server.settings.connections import ConnectionSettings
from tests.live_server import LIMITS
from tests.server.process.serving.raw_connections import (
    GET,
    LONG,
    MUCH,
    SOON,
    UPGRADE,
    App,
    refused,
    served,
)


@pytest.fixture
def app() -> Iterator[App]:
    app = App()
    yield app
    app.let_go()


# Heads


TOO_SLOW = (
    408,
    "BAD_USER_INPUT",
    "The head of the request was not whole in 0.05 seconds. Send it at once.",
)


def limits(**changes: float) -> ConnectionSettings:
    return LIMITS.model_copy(update=changes)


@pytest.mark.parametrize(
    "begun", [b"GET /", b"GET / HTTP/1.1\r\nhost: here\r\nx: ", GET[:-2], UPGRADE], ids=repr
)
def test_a_head_that_comes_byte_for_byte_is_not_waited_for(app: App, begun: bytes) -> None:
    with served(app, limits(header_seconds=SOON)) as connect:
        line = connect()
        line.send(begun)
        line.trickle(b"x")

        assert refused(line) == TOO_SLOW


def test_a_second_head_has_its_time_too(app: App) -> None:
    with served(app, limits(header_seconds=SOON)) as connect:
        line = connect()
        line.send(GET)
        assert line.answer()[0] == 200
        line.send(GET[:5])

        assert refused(line) == TOO_SLOW


def test_a_silent_connection_is_closed_without_a_response(app: App) -> None:
    with served(app, limits(header_seconds=SOON)) as connect:
        assert connect().is_closed()


def test_an_idle_connection_is_not_kept_for_ever(app: App) -> None:
    with served(app, limits(keep_alive_seconds=0)) as connect:
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
    with served(app, limits(header_bytes=LARGE)) as connect:
        line = connect()
        line.send(head)
        begins_a_body = b"chunked" in head

        if begins_a_body:  # its request is being answered: nothing else may stand in between
            assert line.is_closed()
        else:
            assert refused(line) == HEAD_TOO_LARGE


def test_a_head_that_fits_is_taken_and_a_large_body_is_none(app: App) -> None:
    with served(app, limits(header_bytes=LARGE)) as connect:
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
    with capture_logs() as lines, served(app, LIMITS) as connect:
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
    with served(app, LIMITS) as connect:
        line = connect()
        line.send(head + b"\r\n")

        reply = refused(line)
    assert (reply[0], reply[2].startswith(words)) == (status, True)


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
def test_an_invalid_request_is_refused_with_the_reason(app: App, junk: bytes) -> None:
    with served(app, LIMITS) as connect:
        line = connect()
        line.send(junk)

        assert refused(line) == (
            400,
            "BAD_USER_INPUT",
            "This is no HTTP/1.1 request. Send one.",
        )


# Many


def test_a_connection_beyond_the_limit_is_refused_with_retry_after(app: App) -> None:
    with served(app, limits(connections=2)) as connect:
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


def test_the_longest_idle_connection_is_closed_for_one_with_a_request(app: App) -> None:
    with served(app, limits(connections=2)) as connect:
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
    with capture_logs() as lines, served(app, limits(answer_seconds=SOON)) as connect:
        line = connect()
        line.send(GET.replace(b"/", b"/much", 1))

        assert app.ended.acquire(timeout=LONG)
        assert line.all() < MUCH
    assert [one["event"] for one in lines] == ["connection closed"]


def test_frames_that_are_not_taken_are_not_kept_for_ever(app: App) -> None:
    with served(app, limits(answer_seconds=SOON)) as connect:
        line = connect()
        line.send(UPGRADE + b"\r\n")
        assert line.answer()[0] == 101
        line.send(frame(Opcode.TEXT, b"much"))

        assert app.ended.acquire(timeout=LONG)
        assert line.all() < MUCH


def test_an_answer_that_is_taken_slowly_comes_whole(app: App) -> None:
    """What counts is that some of it is taken, again and again."""
    with served(app, limits(answer_seconds=LONG)) as connect:
        line = connect()
        line.send(GET.replace(b"/", b"/much", 1))

        assert len(line.answer()[2]) == MUCH


def test_a_client_that_sends_pings_and_does_not_read_is_disconnected(app: App) -> None:
    """The answers would be kept, and pings come faster than any patience ends."""
    with capture_logs() as lines, served(app, limits(answer_seconds=LONG)) as connect:
        line = connect()
        line.send(UPGRADE + b"\r\n")
        assert line.answer()[0] == 101
        line.send(frame(Opcode.TEXT, b"much"))
        pings = frame(Opcode.PING, bytes(125)) * 1_000
        with suppress(ConnectionError):
            while not app.ended.acquire(blocking=False):
                line.send(pings)

        assert line.all() < MUCH
    assert [one["reason"] for one in lines] == ["the client does not read its pongs"]


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """A frame of a client."""
    return Frame(opcode, payload).serialize(mask=True)
