"""Logs one line for each request and each WebSocket, and gives all log lines of a request its id.

The path, the query string and the headers are not logged: they may hold personal data.
"""

import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

QUIET_ROUTES: Final = frozenset({"/healthz", "/readyz"})
"""Polled every few seconds by monitors; logged at debug level."""

_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_STARTS: Final = ("http.response.start", "websocket.http.response.start", "websocket.accept")
_SERVER_FAULT: Final = 1011
"""The close code of a WebSocket for an internal error of the server (RFC 6455, 7.4.1)."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _LoggedRequest:
    """What is known of the request at hand; shared by every task that works for it."""

    id: str
    viewer: str | None = None
    status: int | None = None
    accepted: bool = False
    left: bool = False
    """The client closed the WebSocket, so the close code is the client's."""


_current: ContextVar[_LoggedRequest | None] = ContextVar("request", default=None)


def note_viewer(id: str) -> None:
    """Add the viewer to the log lines of the current request; does nothing outside of one."""
    request = _current.get()
    if request is not None:
        request.viewer = id


def current_id() -> str | None:
    """The id of the current request; None outside of one."""
    request = _current.get()
    return None if request is None else request.id


def add_request(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Any:
    """A structlog processor that adds the id and the viewer of the current request."""
    request = _current.get()
    if request is not None:
        event["request_id"] = request.id
        if request.viewer is not None:
            event["viewer"] = request.viewer
    return event


class RequestLog:
    """ASGI middleware, outside all others but `ForwardedHeaders`, so that it sees the final response.

    It keeps a valid `X-Request-Id` or makes an id, and returns it in the response. The line has `method` (WEBSOCKET for those),
    `route` (the template, `none` if no route matched), `status` (the close code of a WebSocket, 403 if it was refused),
    `ms` until the end of the response, and `viewer` if signed in.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        clock: Callable[[], float],
        make_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        """`clock` returns seconds from any origin."""
        self._app = app
        self._clock = clock
        self._make_id = make_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log it at its end."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = _LoggedRequest(_client_id(scope["headers"]) or self._make_id())
        header = (b"x-request-id", request.id.encode())

        async def receive_and_record() -> Message:
            message = await receive()
            if message["type"] == "websocket.disconnect" and request.status is None:
                request.status = message.get("code")
                request.left = True
            return message

        def send_and_record(message: Message) -> Awaitable[None]:
            _record_status(request, message)
            if message["type"] in _STARTS:
                message = {**message, "headers": [*message.get("headers", ()), header]}
            return send(message)

        receiver = receive if scope["type"] == "http" else receive_and_record
        before = _current.set(request)
        started = self._clock()
        fault: Exception | None = None
        try:
            await self._app(scope, receiver, send_and_record)
        except Exception as error:
            fault = error
            request.status = request.status or 500
            raise
        finally:
            _write(scope, request, fault, ms=round((self._clock() - started) * 1000, 1))
            _current.reset(before)


def _client_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return value.decode()
    return None


def _record_status(request: _LoggedRequest, message: Message) -> None:
    match message["type"]:
        case "http.response.start" | "websocket.http.response.start":
            request.status = message["status"]
        case "websocket.accept":
            request.accepted = True
        case "websocket.close":
            request.status = message.get("code", 1000) if request.accepted else 403


def _write(scope: Scope, request: _LoggedRequest, fault: Exception | None, *, ms: float) -> None:
    route = getattr(scope.get("route"), "path", "none")
    is_http = scope["type"] == "http"
    failed = request.status is not None and (
        request.status >= 500 if is_http else request.status == _SERVER_FAULT and not request.left
    )
    if fault is not None or failed:
        write = _log.error
    elif route in QUIET_ROUTES:
        write = _log.debug
    else:
        write = _log.info
    method = scope["method"] if is_http else "WEBSOCKET"
    write("request", method=method, route=route, status=request.status, ms=ms, exc_info=fault)
