"""The connections of a server process: how many there are, how large and how slow what comes on one may be, and how slowly
answers may be taken.

uvicorn speaks HTTP and the WebSocket protocol; here is what it leaves open. What a viewer may have at once is
`server.http.viewer_slots`', and bodies are in `server.http.request_bodies`.
"""

import asyncio
import time
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast

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
from server.http.responses import Full, HeadTooLarge, TooSlow, WrongMethod, refusal
from server.http.security_headers import HEADERS
from server.process.joined import Joined
from server.settings.connections import OfConnections

LINGER: Final = 2.0
"""Seconds for which a connection stays open after a refusal: closed at once, it would take the answer along that whoever is
still sending has not read."""

MOST_PONGS: Final = 1024 * 1024
"""Bytes of answers to pings that are kept for one who does not read: pings are not held back by what is to be written."""

GRACE: Final = 10
"""Seconds in which requests that run may end when the server is told to stop."""

_BETWEEN: Final = len(": \r\n")

_log = structlog.get_logger(__name__)


class Terms(NamedTuple):
    """What is allowed on connections."""

    most: int
    """Connections of a process."""
    head_bytes: int
    head_seconds: float
    answer_seconds: float
    keep_alive_seconds: int
    process_seconds: int = 30
    """For a process to answer its supervisor."""


def terms_of(settings: OfConnections) -> Terms:
    """What the settings allow."""
    return Terms(
        most=settings.connections,
        head_bytes=settings.header_bytes,
        head_seconds=settings.header_seconds,
        answer_seconds=settings.answer_seconds,
        keep_alive_seconds=settings.keep_alive_seconds,
        process_seconds=settings.process_seconds,
    )


def configuration(app: ASGIApp | str, *, terms: Terms, workers: int = 1) -> uvicorn.Config:
    """How uvicorn serves. A text is where each worker finds what makes its app."""
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=workers,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # `server.http.forwarded` reads what proxies say; two who do would read it twice.
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
        ws_max_size=request.LARGEST,
        http=cast(Any, partial(Http, terms=terms)),
        ws=cast(Any, partial(Frames, terms=terms)),
        timeout_keep_alive=terms.keep_alive_seconds,
        timeout_worker_healthcheck=terms.process_seconds,
    )


class _Taken(asyncio.Protocol):
    """A connection that ends when its client does not take what it is sent: at `SLOWEST` bytes a second at least.

    To be put before a protocol of uvicorn's, which stops writing meanwhile but would wait without end.
    """

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    answer_seconds: float
    _look: asyncio.TimerHandle | None = None
    _waiting = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What the system does not take at once is waited for; below a mark, nobody would see that it stays.
        cast(asyncio.Transport, transport).set_write_buffer_limits(0)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_looking()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_later()

    def resume_writing(self) -> None:
        self._stop_looking()
        super().resume_writing()

    def _look_later(self) -> None:
        self._waiting = self.transport.get_write_buffer_size()
        self._look = self.loop.call_later(self.answer_seconds, self._look_now)

    def _look_now(self) -> None:
        taken = self._waiting - self.transport.get_write_buffer_size()
        if taken >= SLOWEST * self.answer_seconds:
            self._look_later()
        else:
            self._look = None
            _log.info("a connection was cut", reason="its answer was not taken")
            self.transport.abort()

    def _stop_looking(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None


class Http(_Taken, HttpToolsProtocol):
    """HTTP/1.1 on a connection.

    The head of a request comes in time and is of a size; there is room for it, or the connection that has waited longest for
    its next request gives way.
    """

    def __init__(self, *arguments: Any, terms: Terms, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.terms = terms
        self.answer_seconds = terms.answer_seconds
        self.idle_since: float | None = None
        """When it began to wait for a request; None while one is answered."""
        self._unread = 0
        """Bytes of a head that is not whole, as far as nobody has seen them."""
        self._head = 0
        """Bytes of a head that have been seen."""
        self._refused: LogError | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request."""
        super().connection_made(transport)
        self._answers = Joined(self.transport, loop=self.loop)
        self.idle_since = time.monotonic()  # the loop's own clock has ties
        self._await_head()
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what was refused is read no more."""
        if self._refused is not None or self.parser is None:
            return
        self._unread += len(data)
        super().data_received(data)
        if self._unread > self.terms.head_bytes and self._refused is None:
            self._refuse(self._too_large())
        if self._deadline is None and self.idle_since is not None:
            self._await_head()  # most heads come whole, and need no clock

    def on_message_begin(self) -> None:
        """A head begins."""
        self._head = self._unread = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or what comes in the manner of one after a body."""
        self._count(len(name) + len(value) + _BETWEEN)
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """A piece of a body; how large one may be is its route's business."""
        self._unread = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """The head is whole, and its request is answered as soon as there is room."""
        self._unread = 0
        self._stop_waiting()
        self.idle_since = None
        if not self._make_room():
            self._refused = Full(
                f"All {self.terms.most} connections of this server are in use. Ask again in a moment.",
                retry_after=1,
            )
            raise self._refused
        if self.parser.should_upgrade() and not _fits_an_upgrade(self.headers):
            self._refused = self._too_large()
            raise self._refused
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.transport = cast(asyncio.Transport, self._answers)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._head = self._unread = 0
        if not self.pipeline:
            self.idle_since = time.monotonic()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or what was refused on the way."""
        self._refuse(self._refused or BadUserInput("This is no HTTP/1.1 request. Send one."))

    def _count(self, size: int) -> None:
        self._unread = 0
        self._head += size
        if self._head > self.terms.head_bytes:
            self._refused = self._too_large()
            raise self._refused

    def _too_large(self) -> LogError:
        return HeadTooLarge(
            f"The address and the headers are larger than {self.terms.head_bytes} bytes. Send what is long in the body."
        )

    def _make_room(self) -> bool:
        """Whether there is room for this connection. Of those that wait for a request, the first gives way."""
        if len(self.connections) <= self.terms.most:
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
        self._deadline = self.loop.call_later(self.terms.head_seconds, self._end_of_patience)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_of_patience(self) -> None:
        self._deadline = None
        if not self._unread and not self._head:  # it said nothing, and is owed nothing
            self.transport.abort()
            return
        self._refuse(
            TooSlow(
                f"The head of the request was not whole in {self.terms.head_seconds:g} seconds. Send it at once."
            )
        )

    def _refuse(self, error: LogError) -> None:
        """Say so, and end the connection; an answer that is on its way is not mixed with another one."""
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
        _log.info("a connection was refused", code=error.code, reason=type(error).__name__)


class Frames(_Taken, WebSocketsSansIOProtocol):
    """A WebSocket on a connection."""

    def __init__(self, *arguments: Any, terms: Terms, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.answer_seconds = terms.answer_seconds
        self._pongs = 0
        """Bytes of answers to pings that wait to be taken."""

    def handle_connect(self, event: Request) -> None:
        """Open the WebSocket; what is no handshake is refused in our words, before the library does in its own."""
        status = ServerProtocol().accept(event).status_code
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            super().handle_connect(event)
            return
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        self.transport.write(_raw(refusal(_no_handshake(status))))
        self.transport.close()

    def handle_ping(self) -> None:
        """Answer a ping; whoever sends them without reading the answers is left."""
        if self.transport.is_closing():
            return
        output = b"".join(self.conn.data_to_send())
        self.transport.write(output)
        if not self.writable.is_set():
            self._pongs += len(output)
            if self._pongs > MOST_PONGS:
                _log.info("a connection was cut", reason="its pongs were not taken")
                self.transport.abort()

    def send_receive_event_to_app(self) -> None:
        """Hand a message on; of a text that is no UTF-8 the sender is told, and nobody else: it is no fault of ours."""
        if self.curr_msg_data_type == "text" and not _is_utf_8(self.frames):
            self.frames = []
            with suppress(InvalidState):  # the other side closes already
                self.conn.send_close(CloseCode.INVALID_DATA)
                self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    async def send(self, message: Any) -> None:
        """Send; where this side has closed for what came in, whoever answers hears that nobody is there any more."""
        if self.close_sent:
            raise ClientDisconnected
        await super().send(message)

    def resume_writing(self) -> None:
        """Write again."""
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
    """Whether the WebSocket's own reader takes these headers: it has limits too, and falls over what is beyond."""
    return len(headers) <= MAX_NUM_HEADERS and all(
        len(name) + len(value) + _BETWEEN <= MAX_LINE_LENGTH for name, value in headers
    )


def _raw(answer: Response) -> bytes:
    """An answer as it goes out where no application makes it."""
    said = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.raw_headers}
    lines = {**HEADERS, **said, "connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return STATUS_LINE[answer.status_code] + head.encode("latin-1") + b"\r\n" + bytes(answer.body)
