"""The connections of a server process: their number, the size and time limits of requests, and write timeouts.

uvicorn speaks HTTP and the WebSocket protocol; this module adds the limits that it does not have. `server.http.viewer_slots`
limits each viewer, `server.http.request_bodies` limits bodies.
"""

import asyncio
import time
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final, cast

import structlog
import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode
from websockets.http11 import MAX_LINE_LENGTH, MAX_NUM_HEADERS, Request
from websockets.server import ServerProtocol

from domain.errors import BadUserInput, LogError
from server.graphql import request
from server.http.request_bodies import SLOWEST
from server.http.responses import HeadTooLarge, ServerFull, TooSlow, WrongMethod, refusal
from server.http.security_headers import HEADERS
from server.settings.connections import ConnectionSettings

LINGER: Final = 2.0
"""Seconds until a refused connection is closed. Closed at once, a client that is still sending would lose the response."""

MOST_PONGS: Final = 1024 * 1024
"""Maximum bytes of pending pongs for a client that does not read them: flow control does not apply to pings."""

GRACE: Final = 10
"""Seconds for running requests to finish after the server is asked to stop."""

_BETWEEN: Final = len(": \r\n")

_log = structlog.get_logger(__name__)


def limits_of(settings: ConnectionSettings) -> ConnectionSettings:
    """The limits alone, without the secrets of other settings: they are sent to each server process."""
    limits = {name: getattr(settings, name) for name in ConnectionSettings.model_fields}
    return ConnectionSettings.model_construct(**limits)


def configuration(
    app: ASGIApp | str, *, limits: ConnectionSettings, workers: int = 1
) -> uvicorn.Config:
    """The configuration of uvicorn. A text as `app` is the import path of the factory that each worker calls."""
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=workers,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # `server.http.forwarded` reads these headers; uvicorn must not read them a second time.
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
        ws_max_size=request.LARGEST,
        http=cast(Any, partial(Http, limits=limits)),
        ws=cast(Any, partial(Frames, limits=limits)),
        timeout_keep_alive=limits.keep_alive_seconds,
        timeout_worker_healthcheck=limits.process_seconds,
    )


class _WriteTimeout(asyncio.Protocol):
    """A connection that is closed if its client reads less than `SLOWEST` bytes a second.

    Mix it in before a protocol of uvicorn, which pauses writing but would wait forever.
    """

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    answer_seconds: float
    _check: asyncio.TimerHandle | None = None
    _waiting = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # At 0, `pause_writing` is called as soon as the system does not take all bytes at once.
        cast(asyncio.Transport, transport).set_write_buffer_limits(0)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_checking()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._check_later()

    def resume_writing(self) -> None:
        self._stop_checking()
        super().resume_writing()

    def _check_later(self) -> None:
        self._waiting = self.transport.get_write_buffer_size()
        self._check = self.loop.call_later(self.answer_seconds, self._check_now)

    def _check_now(self) -> None:
        taken = self._waiting - self.transport.get_write_buffer_size()
        if taken >= SLOWEST * self.answer_seconds:
            self._check_later()
        else:
            self._check = None
            _log.info("connection closed", reason="the client does not read the response")
            self.transport.abort()

    def _stop_checking(self) -> None:
        if self._check is not None:
            self._check.cancel()
            self._check = None


class Http(_WriteTimeout, HttpToolsProtocol):
    """HTTP/1.1 on a connection.

    Limits the size and the time of a request's head. If the process has too many connections, it closes the one that has
    been idle longest.
    """

    def __init__(self, *arguments: Any, limits: ConnectionSettings, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.limits = limits
        self.answer_seconds = limits.answer_seconds
        self.idle_since: float | None = None
        """Since when it waits for a request; None while a request is answered."""
        self._unread = 0
        """Bytes of an incomplete head that the parser has not reported yet."""
        self._head = 0
        """Bytes of the head that the parser has reported."""
        self._refused: LogError | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the timeout of the first request."""
        super().connection_made(transport)
        self.idle_since = time.monotonic()  # the loop's clock is coarse and has ties
        self._await_head()
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeout."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse more bytes; ignore them after a refusal."""
        if self._refused is not None or self.parser is None:
            return
        self._unread += len(data)
        super().data_received(data)
        if self._unread > self.limits.header_bytes and self._refused is None:
            self._refuse(self._too_large())
        if self._deadline is None and self.idle_since is not None:
            self._await_head()  # most heads arrive whole and need no timer

    def on_message_begin(self) -> None:
        """Start counting a head."""
        self._head = self._unread = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count a piece of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or a trailer after a body."""
        self._count(len(name) + len(value) + _BETWEEN)
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of a body; the route limits its size."""
        self._unread = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Pass on the request, if there is room for its connection and its head fits."""
        self._unread = 0
        self._stop_waiting()
        self.idle_since = None
        if not self._make_room():
            self._refused = ServerFull(
                f"All {self.limits.connections} connections of this server are in use. Ask again in a moment.",
                retry_after=1,
            )
            raise self._refused
        if self.parser.should_upgrade() and not _fits_an_upgrade(self.headers):
            self._refused = self._too_large()
            raise self._refused
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._head = self._unread = 0
        if not self.pipeline:
            self.idle_since = time.monotonic()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is malformed or exceeds a limit."""
        self._refuse(self._refused or BadUserInput("This is no HTTP/1.1 request. Send one."))

    def _count(self, size: int) -> None:
        self._unread = 0
        self._head += size
        if self._head > self.limits.header_bytes:
            self._refused = self._too_large()
            raise self._refused

    def _too_large(self) -> LogError:
        return HeadTooLarge(
            f"The address and the headers are larger than {self.limits.header_bytes} bytes. Send what is long in the body."
        )

    def _make_room(self) -> bool:
        """Whether there is room for this connection; closes the connection that has been idle longest if there is none."""
        if len(self.connections) <= self.limits.connections:
            return True
        others = [
            (other.idle_since, number, other)
            for number, other in enumerate(self.connections)
            if isinstance(other, Http) and other.idle_since is not None and other is not self
        ]
        if not others:
            return False
        first = min(others)[-1]
        self.connections.discard(first)
        first.transport.abort()
        return True

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(self.limits.header_seconds, self._end_of_patience)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_of_patience(self) -> None:
        self._deadline = None
        if (
            not self._unread and not self._head
        ):  # nothing was sent, so there is no request to answer
            self.transport.abort()
            return
        self._refuse(
            TooSlow(
                f"The head of the request was not whole in {self.limits.header_seconds:g} seconds. Send it at once."
            )
        )

    def _refuse(self, error: LogError) -> None:
        """Send the refusal and end the connection; abort if another response is half sent."""
        self._refused = error
        self._stop_waiting()
        self.idle_since = None
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()
            return
        self.transport.write(_raw(refusal(error)))
        self.transport.write_eof()
        self.loop.call_later(LINGER, self.transport.abort)
        _log.info("connection refused", code=error.code, reason=type(error).__name__)


class Frames(_WriteTimeout, WebSocketsSansIOProtocol):
    """A WebSocket on a connection."""

    def __init__(self, *arguments: Any, limits: ConnectionSettings, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.answer_seconds = limits.answer_seconds
        self._pongs = 0
        """Bytes of pongs that wait to be sent."""

    def handle_connect(self, event: Request) -> None:
        """Open the WebSocket; refuse an invalid handshake with our own JSON error."""
        status = ServerProtocol().accept(event).status_code
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            super().handle_connect(event)
            return
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        self.transport.write(_raw(refusal(_no_handshake(status))))
        self.transport.close()

    def handle_ping(self) -> None:
        """Answer a ping; close the connection of a client that sends pings and does not read."""
        if self.transport.is_closing():
            return
        output = b"".join(self.conn.data_to_send())
        self.transport.write(output)
        if not self.writable.is_set():
            self._pongs += len(output)
            if self._pongs > MOST_PONGS:
                _log.info("connection closed", reason="the client does not read its pongs")
                self.transport.abort()

    def send_receive_event_to_app(self) -> None:
        """Pass a message to the application; close the connection if a text is not UTF-8, which is the client's error."""
        if self.curr_msg_data_type == "text" and not _is_utf_8(self.frames):
            self.frames = []
            with suppress(InvalidState):  # the client is closing already
                self.conn.send_close(CloseCode.INVALID_DATA)
                self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    async def send(self, message: Any) -> None:
        """Send a message. Raises `ClientDisconnected` after this side closed the connection."""
        if self.close_sent:
            raise ClientDisconnected
        await super().send(message)

    def resume_writing(self) -> None:
        """Continue writing."""
        self._pongs = 0
        super().resume_writing()


def _no_handshake(status: int) -> LogError:
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return WrongMethod("A WebSocket is opened by GET.", allow="GET")
    return BadUserInput(
        "This is no handshake of a WebSocket. Send Upgrade, Connection, Sec-WebSocket-Key and Sec-WebSocket-Version: 13."
    )


def _is_utf_8(frames: list[bytes]) -> bool:
    try:
        b"".join(frames).decode()
    except UnicodeDecodeError:
        return False
    return True


def _fits_an_upgrade(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether the WebSocket library accepts these headers: it has limits of its own and fails beyond them."""
    return len(headers) <= MAX_NUM_HEADERS and all(
        len(name) + len(value) + _BETWEEN <= MAX_LINE_LENGTH for name, value in headers
    )


def _raw(answer: Response) -> bytes:
    """A response as bytes, for a refusal that no application handles."""
    headers = {
        name.decode("latin-1"): value.decode("latin-1") for name, value in answer.raw_headers
    }
    lines = {**HEADERS, **headers, "connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return STATUS_LINE[answer.status_code] + head.encode("latin-1") + b"\r\n" + bytes(answer.body)
