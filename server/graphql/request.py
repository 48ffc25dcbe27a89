"""Parses a GraphQL operation as a client sends it: from a request's body or URL, or from a WebSocket frame."""

from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from domain.errors import BadUserInput
from server.graphql.json_text import read_json, require_whole_characters
from server.http.request_bodies import read_whole

LARGEST: Final = 1024 * 1024
"""Bytes; a usual operation with its variables has some kilobytes."""

_EXAMPLE: Final = '{"query": "…", "variables": {…}}'


class Operation(NamedTuple):
    """An operation of a client. `name` selects one of several operations of a document."""

    query: str
    """The text; empty if only an id or a hash was sent."""
    variables: dict[str, Any] | None
    name: str | None
    document_id: str | None = None
    sha256: str | None = None
    """The hash of the text, from `extensions.persistedQuery`."""


async def read_body(request: Request) -> Operation:
    """The operation in a request's body. Raises `BadUserInput`; `TooLarge` for more than `LARGEST` bytes."""
    body = await read_whole(request, LARGEST, advice="Ask for less at once.")
    try:
        value = read_json(body)
    except orjson.JSONDecodeError:
        raise BadUserInput(f"The body is not JSON in UTF-8. Send {_EXAMPLE}.") from None
    return parse(value)


def read_url(request: Request) -> Operation:
    """The operation in a request's URL (GraphQL over HTTP, 5.3). Raises `BadUserInput`."""
    value = _parameters(request)
    require_whole_characters(value)
    for name in ("variables", "extensions"):
        if value.get(name):
            try:
                value[name] = read_json(value[name], field=name)
            except orjson.JSONDecodeError:
                raise BadUserInput(
                    f"`{name}` in the address is not JSON. Encode it again."
                ) from None
        else:
            value.pop(name, None)
    return parse(value)


def _parameters(request: Request) -> dict[str, Any]:
    """The parameters in a request's URL, including lone surrogates. Raises `BadUserInput` if it is not UTF-8."""
    text = request.scope["query_string"].decode("latin-1")
    try:
        # Starlette's `query_params` replaces undecodable bytes by U+FFFD, which would change the text.
        return dict(parse_qsl(text, keep_blank_values=True, errors="surrogatepass"))
    except UnicodeDecodeError:
        raise BadUserInput("The address is not UTF-8. Encode its parameters again.") from None


def parse(value: object) -> Operation:
    """The operation in a JSON value. Raises `BadUserInput`."""
    if not isinstance(value, dict):
        raise BadUserInput(f"This is not a JSON object. Send one operation, {_EXAMPLE}.")
    query, variables, name = (value.get(key) for key in ("query", "variables", "operationName"))
    id, extensions = value.get("documentId"), value.get("extensions")
    if not isinstance(id, str | None) or id == "":
        raise BadUserInput("`documentId` has to be a text, or to be left out.")
    if not isinstance(extensions, dict | None):
        raise BadUserInput("`extensions` has to be an object, or to be left out.")
    sha256 = _hash(extensions)
    # graphql-ws always sends a text; beside an id or a hash it is empty.
    if query in (None, "") and (id is not None or sha256 is not None):
        query = ""
    elif not isinstance(query, str) or not query.strip():
        raise BadUserInput("`query` has to be the text of the operation.")
    elif id is not None:
        raise BadUserInput("`documentId` stands for the text. Leave `query` out, or the id.")
    if not isinstance(variables, dict | None):
        raise BadUserInput("`variables` has to be an object, or to be left out.")
    if not isinstance(name, str | None):
        raise BadUserInput("`operationName` has to be a text, or to be left out.")
    # Many clients send an empty name for a document with one operation (GraphQL over HTTP: "may be empty").
    return Operation(query, variables, name or None, id, sha256)


def _hash(extensions: dict[str, Any] | None) -> str | None:
    """The hash of a persisted query, if there is one. Raises `BadUserInput`."""
    persisted = (extensions or {}).get("persistedQuery")
    if persisted is None:
        return None
    sha256 = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    if not isinstance(sha256, str) or not sha256 or persisted.get("version") != 1:
        raise BadUserInput(
            '`extensions.persistedQuery` has to be {"version": 1, "sha256Hash": "…"}, or to be left out.'
        )
    return sha256
