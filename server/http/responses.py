"""Error responses of all routes: JSON in the shape of GraphQL errors."""

from collections.abc import Mapping
from typing import Final

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from db.connect.unavailable import cause
from domain.errors import (
    BadUserInput,
    Conflict,
    Forbidden,
    LogError,
    Outage,
    RateLimited,
    TimedOut,
    TooComplex,
    TooLong,
    Unauthenticated,
)
from server.http.accept import JSON
from server.http.headers import first
from server.http.request_log import current_id

_log = structlog.get_logger(__name__)


class WrongMethod(BadUserInput):
    """The route does not support the method; `allow` lists those that it does."""

    def __init__(self, message: str, *, allow: str = "POST") -> None:
        super().__init__(message)
        self.allow = allow


class UnsupportedType(BadUserInput):
    """The route does not support the content type of the body."""


class UnsupportedCoding(UnsupportedType):
    """The body is compressed."""


class TooLarge(BadUserInput):
    """The body exceeds the limit of the route."""


class TooSlow(BadUserInput):
    """A request did not arrive in time."""


class HeadTooLarge(BadUserInput):
    """The URL and the headers exceed the limit."""


class ServerFull(RateLimited):
    """The server is at a limit that all viewers share."""


class ResourceNotFound(BadUserInput):
    """There is no such thing, or none that the viewer may see."""


class Gone(BadUserInput):
    """The thing existed and is no longer kept."""


class DocumentNotKept(BadUserInput):
    """No document with this hash is kept; the client sends it once with its hash, later the hash alone."""

    code = "PERSISTED_QUERY_NOT_FOUND"


STATUS: Final[Mapping[type[LogError], int]] = {
    BadUserInput: 400,
    DocumentNotKept: 200,  # part of the protocol, which clients handle by sending the text
    Unauthenticated: 401,
    Forbidden: 403,
    ResourceNotFound: 404,
    WrongMethod: 405,
    TooSlow: 408,
    Conflict: 409,
    Gone: 410,
    TooLarge: 413,
    UnsupportedType: 415,
    HeadTooLarge: 431,
    TooComplex: 400,
    TooLong: 413,
    RateLimited: 429,
    ServerFull: 503,
    TimedOut: 503,
    Outage: 503,
}
"""The HTTP status of each error class and its subclasses. Any other is temporary, such as unreadable keys: 503."""

_UNROUTED: Final[Mapping[int, str]] = {
    404: "There is nothing here. Operations go to /graphql, messages to /ingest, people to /graphiql.",
    405: "This method is not supported here. The Allow header lists those that are.",
}

_HEADERS: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"www-authenticate": "Bearer"},
    408: {"connection": "close"},
}


def refusal(error: LogError, *, media_type: str = JSON) -> Response:
    """The response for `error`, with the headers that its status requires."""
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 503)
    headers = dict(_HEADERS.get(status, {}))
    if isinstance(error, RateLimited | Outage):
        headers["retry-after"] = str(error.retry_after)
    if isinstance(error, WrongMethod):
        headers["allow"] = error.allow
    if isinstance(error, UnsupportedCoding):
        headers["accept-encoding"] = "identity"  # RFC 9110, 12.5.3: the supported coding
    return _errors(error.message, error.code, status=status, headers=headers, media_type=media_type)


def require_content_type(request: Request, expected: str) -> None:
    """Pass if the body of `request` has the type `expected`, in UTF-8. Raises `UnsupportedType`."""
    sent, _, parameters = (first(request.scope, b"content-type") or "").partition(";")
    sent = sent.strip().lower()
    if sent != expected:
        raise UnsupportedType(f"The content type is {sent or 'missing'}. Send {expected}.")
    for parameter in parameters.split(";") if parameters else ():
        name, _, value = parameter.partition("=")
        charset = value.strip().strip('"').lower()
        if name.strip().lower() == "charset" and charset not in ("utf-8", "utf8"):
            raise UnsupportedType(
                f"The charset is {charset or 'missing'}. Send {expected} in UTF-8."
            )


async def refuse(request: Request, error: Exception) -> Response:
    """The response for a `LogError` that a route raises."""
    assert isinstance(error, LogError)
    return refusal(error)


async def not_routed(request: Request, error: Exception) -> Response:
    """The response for Starlette's own errors: unknown path, wrong method."""
    assert isinstance(error, HTTPException)
    message = _UNROUTED.get(error.status_code, error.detail)
    return _errors(message, BadUserInput.code, status=error.status_code, headers=error.headers)


async def internal_error(request: Request, error: Exception) -> Response:
    """The response for an unexpected exception: only the id under which it is logged."""
    message = f"Internal error. Give this id to your administrator: {current_id()}."
    return _errors(message, LogError.code, status=500)


async def unavailable(request: Request, error: Exception) -> Response:
    """The response while the database is away: the client may retry, as providers do with callbacks."""
    _log.warning("request failed: the database is away", cause=cause(error))
    return refusal(Outage())


async def disconnected(request: Request, error: Exception) -> Response:
    """The response, sent to no one, for a client that disconnected before its request was complete."""
    assert isinstance(error, ClientDisconnect)
    return Response(status_code=400)


def json(
    value: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = JSON,
) -> Response:
    """`value` as JSON."""
    return Response(orjson.dumps(value), status, headers=headers, media_type=media_type)


def _errors(
    message: str,
    code: str,
    *,
    status: int,
    headers: Mapping[str, str] | None = None,
    media_type: str = JSON,
) -> Response:
    return json(
        {"errors": [{"message": message, "extensions": {"code": code}}]},
        status=status,
        headers={"cache-control": "no-store", **(headers or {})},
        media_type=media_type,
    )
