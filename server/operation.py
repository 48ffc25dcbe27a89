"""One GraphQL operation as a client sends it, whatever it comes in: a request's body or a frame of a WebSocket.

Whether it fits the schema is not looked at here.
"""

from typing import Any, Final, NamedTuple

import orjson
from starlette.requests import Request

from domain.errors import BadUserInput
from server.answers import TooLarge

LARGEST: Final = 1024 * 1024
"""Bytes: an operation with its variables has some kilobytes."""

_EXAMPLE: Final = '{"query": "…", "variables": {…}}'


class Operation(NamedTuple):
    """What is asked for. `name` says which operation of the document, where it has several."""

    query: str
    variables: dict[str, Any] | None
    name: str | None


async def read(request: Request) -> Operation:
    """The operation in a request's body. Raises `BadUserInput`, and `TooLarge` before more than that is read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise TooLarge(
                f"The body is larger than {LARGEST} bytes. Put large values into variables, or ask for less."
            )
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadUserInput(f"The body is not JSON in UTF-8. Send {_EXAMPLE}.") from None
    return parse(value)


def parse(value: object) -> Operation:
    """The operation that a JSON value is. Raises `BadUserInput`."""
    if not isinstance(value, dict):
        raise BadUserInput(f"This is not a JSON object. Send one operation, {_EXAMPLE}.")
    query, variables, name = (value.get(key) for key in ("query", "variables", "operationName"))
    if not isinstance(query, str) or not query.strip():
        raise BadUserInput("`query` has to be the text of the operation.")
    if not isinstance(variables, dict | None):
        raise BadUserInput("`variables` has to be an object, or to be left out.")
    if not isinstance(name, str | None):
        raise BadUserInput("`operationName` has to be a text, or to be left out.")
    return Operation(query, variables, name)
