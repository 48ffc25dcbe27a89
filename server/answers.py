"""What the routes answer when they refuse: JSON in the shape of GraphQL's errors, whatever the request was."""

from collections.abc import Mapping
from typing import Final

import orjson
from starlette.responses import Response

from domain.errors import BadUserInput, Conflict, Forbidden, LogError, Unauthenticated

STATUS: Final[Mapping[type[LogError], int]] = {
    BadUserInput: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    Conflict: 409,
}
"""HTTP's word for each error of ours; any other is a fault that passes, such as keys that cannot be read: 503."""


def refusal(error: LogError, *, status: int | None = None) -> Response:
    """The answer that says `error`, with what HTTP wants beside it."""
    code = status or STATUS.get(type(error), 503)
    headers = {"cache-control": "no-store"}
    if code == 401:
        headers["www-authenticate"] = "Bearer"
    return json(
        {"errors": [{"message": error.message, "extensions": {"code": error.code}}]},
        status=code,
        headers=headers,
    )


def json(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` as JSON."""
    return Response(orjson.dumps(value), status, headers=headers, media_type="application/json")
