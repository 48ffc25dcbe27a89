"""What the routes answer when they refuse: JSON in the shape of GraphQL's errors, whatever the request was."""

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
    TimedOut,
    TooComplex,
    TooLong,
    TooMuch,
    Unauthenticated,
)
from server.http.accept import JSON
from server.http.headers import first
from server.http.request_log import current_id

_log = structlog.get_logger(__name__)


class WrongMethod(BadUserInput):
    """The route takes other methods only: those in `allow`."""

    def __init__(self, message: str, *, allow: str = "POST") -> None:
        super().__init__(message)
        self.allow = allow


class UnsupportedType(BadUserInput):
    """The body is of a type that the route does not read."""


class UnsupportedCoding(UnsupportedType):
    """The body is compressed."""


class TooLarge(BadUserInput):
    """The body is larger than the route reads."""


class TooSlow(BadUserInput):
    """A request did not come in time."""


class HeadTooLarge(BadUserInput):
    """The address and the headers are larger than is read."""


class Full(TooMuch):
    """All that one server does at once is being done, for whomever."""


class Absent(BadUserInput):
    """There is no such thing for whoever asks."""


class Gone(BadUserInput):
    """There was such a thing, and it is kept no longer."""


class NotKept(BadUserInput):
    """The document of a hash is not kept here: the client sends it with the hash, and goes on by the hash alone."""

    code = "PERSISTED_QUERY_NOT_FOUND"


STATUS: Final[Mapping[type[LogError], int]] = {
    BadUserInput: 400,
    NotKept: 200,  # as clients expect it: a question, which they answer
    Unauthenticated: 401,
    Forbidden: 403,
    Absent: 404,
    WrongMethod: 405,
    TooSlow: 408,
    Conflict: 409,
    Gone: 410,
    TooLarge: 413,
    UnsupportedType: 415,
    HeadTooLarge: 431,
    TooComplex: 400,
    TooLong: 413,
    TooMuch: 429,
    Full: 503,
    TimedOut: 503,
    Outage: 503,
}
"""HTTP's word for each error of ours, and for those derived from it; any other is a fault that passes, such as keys that cannot be read: 503."""

_UNROUTED: Final[Mapping[int, str]] = {
    404: "There is nothing here. Operations go to /graphql, messages to /ingest, people to /graphiql.",
    405: "This method is not taken here. The header Allow has those that are.",
}

_HEADERS: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"www-authenticate": "Bearer"},
    408: {"connection": "close"},
}


def refusal(error: LogError, *, media_type: str = JSON) -> Response:
    """The answer that says `error`, with what HTTP wants beside it."""
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 503)
    headers = dict(_HEADERS.get(status, {}))
    if isinstance(error, TooMuch | Outage):
        headers["retry-after"] = str(error.retry_after)
    if isinstance(error, WrongMethod):
        headers["allow"] = error.allow
    if isinstance(error, UnsupportedCoding):
        headers["accept-encoding"] = "identity"  # RFC 9110, 12.5.3: what would have been read
    return _errors(error.message, error.code, status=status, headers=headers, media_type=media_type)


def require_content_type(request: Request, wanted: str) -> None:
    """Pass if the body of `request` is of the type `wanted`, in UTF-8; otherwise raise `UnsupportedType`."""
    sent, _, parameters = (first(request.scope, b"content-type") or "").partition(";")
    sent = sent.strip().lower()
    if sent != wanted:
        raise UnsupportedType(f"The content type is {sent or 'missing'}. Send {wanted}.")
    for parameter in parameters.split(";") if parameters else ():
        name, _, value = parameter.partition("=")
        charset = value.strip().strip('"').lower()
        if name.strip().lower() == "charset" and charset not in ("utf-8", "utf8"):
            raise UnsupportedType(f"The charset is {charset or 'missing'}. Send {wanted} in UTF-8.")


async def refused(request: Request, error: Exception) -> Response:
    """What a route refuses and leaves to be said here."""
    assert isinstance(error, LogError)
    return refusal(error)


async def unrouted(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: a path that is not there, a method that its route does not take."""
    assert isinstance(error, HTTPException)
    message = _UNROUTED.get(error.status_code, error.detail)
    return _errors(message, BadUserInput.code, status=error.status_code, headers=error.headers)


async def fault(request: Request, error: Exception) -> Response:
    """A fault of ours: it says under which id the log has it, and nothing else."""
    message = f"Something failed here. Whoever runs the log finds it under {current_id()}."
    return _errors(message, LogError.code, status=500)


async def away(request: Request, error: Exception) -> Response:
    """The database is away: whoever asked may ask again, as a provider does with what it reports."""
    _log.warning("a request failed: the database is away", reason=cause(error))
    return refusal(Outage())


async def nobody(request: Request, error: Exception) -> Response:
    """For nobody: whoever sent the request left before it was whole, which is no fault."""
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
