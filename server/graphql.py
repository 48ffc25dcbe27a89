"""The GraphQL endpoint: signs in, reads one operation, has it executed, and answers as JSON, by HTTP and by WebSocket.

What the operation means is the schema's business; what an error says is `schema.errors`'.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.schema import BaseSchema
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)

from domain.errors import BadUserInput, LogError, Unauthenticated
from domain.viewer import Viewer
from resolvers.context import Context, open_context
from server.answers import refusal
from server.auth import Authenticator
from server.request_log import note_viewer

LARGEST_BODY: Final = 1024 * 1024
"""Bytes of a request: an operation with its variables has some kilobytes."""

INIT_TIMEOUT: Final = timedelta(seconds=10)


@dataclass(slots=True)
class Connection:
    """A WebSocket: who signed in on it, once that has happened."""

    origin: str | None
    request_id: str | None
    connection_params: Mapping[str, object] | None = None
    viewer: Viewer | None = None


class Endpoint(GraphQL[Any, None]):
    """`/graphql`."""

    graphql_transport_ws_handler_class: Any

    def __init__(
        self,
        schema: BaseSchema,
        *,
        engine: AsyncEngine,
        authenticator: Authenticator,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            allow_queries_via_get=False,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=INIT_TIMEOUT,
        )
        self.engine = engine
        self.authenticator = authenticator
        self.clock = clock
        self.graphql_transport_ws_handler_class = Socket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            # The sign-in comes before the body is read: nobody uploads to us without one.
            viewer = await self.authenticator.viewer(request.headers.get("authorization"))
            note_viewer(viewer.id)
            context = await self.open(viewer, request)
            body = await _operation(request)
        except LogError as error:
            await refusal(error)(scope, receive, send)
            return
        answer = await self.run(Request(scope, _replay(body)), context=context)
        await answer(scope, receive, send)

    async def open(self, viewer: Viewer, request: Request | Connection) -> Context:
        """The context of an operation that begins now."""
        connection = _connection(request) if isinstance(request, Request) else request
        return await open_context(
            self.engine,
            viewer,
            now=self.clock(),
            origin=connection.origin,
            request_id=connection.request_id,
        )

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Connection:
        """What a WebSocket begins with; each of its operations gets a context of its own."""
        return _connection(request)

    async def on_ws_connect(self, context: Connection) -> Any:
        """Sign in by what `connection_init` carries; refused, the socket closes with 4403."""
        try:
            context.viewer = await self.authenticator.viewer_of_connection(
                context.connection_params
            )
        except LogError as error:
            raise ConnectionRejectionError from error
        note_viewer(context.viewer.id)
        return {}

    def decode_json(self, data: str | bytes) -> object:
        """The value; what is no JSON raises `JSONDecodeError`, as does JSON that is nested without end."""
        return cast(object, orjson.loads(data))

    def encode_json(self, data: object) -> str:
        """The text. WebSocket frames of this protocol are text, so bytes would not do for both ways."""
        return orjson.dumps(data).decode()


class Socket(BaseGraphQLTransportWSHandler[Any, None]):
    """A WebSocket on which each operation sees its own moment."""

    view: Endpoint
    context: Connection

    async def handle_message(self, message: Any) -> None:
        """Take a frame; one that is no message of the protocol closes the socket."""
        payload = message.get("payload") if isinstance(message, dict) else None
        if not isinstance(message, dict) or not isinstance(payload, dict | None):
            await self.handle_invalid_message("A message is a JSON object with a type")
            return
        if message.get("type") == "subscribe" and not _is_operation(message):
            await self.handle_invalid_message("A subscribe message has an id and an operation")
            return
        await super().handle_message(cast(Any, message))

    async def run_operation(self, operation: Operation[Any, None]) -> None:
        """Run an operation in a context of its own: what an earlier one loaded would be old by now."""
        viewer = self.context.viewer
        assert viewer is not None, "an operation came before the connection was acknowledged"
        try:
            if viewer.expires_at <= self.view.clock():
                raise Unauthenticated("Your sign-in has expired. Sign in again and connect anew.")
            fresh = copy.copy(self)
            fresh.context = await self.view.open(viewer, self.context)  # type: ignore[assignment]
        except LogError as error:
            await self.websocket.close(4403, error.message[:120])
            return
        await super(Socket, fresh).run_operation(operation)


def _is_operation(message: Mapping[str, Any]) -> bool:
    payload = message.get("payload")
    if not isinstance(payload, dict) or not isinstance(message.get("id"), str):
        return False
    return _problem(payload) is None


async def _operation(request: Request) -> bytes:
    """The body of a request, if it is one operation. Raises `BadUserInput`."""
    if request.method != "POST":
        return b""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise BadUserInput(
                f"The body is larger than {LARGEST_BODY} bytes. Put large values into variables, or ask for less."
            )
    try:
        operation = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadUserInput(
            'The body is not JSON in UTF-8. Send {"query": "…", "variables": {…}}.'
        ) from None
    problem = _problem(operation)
    if problem is not None:
        raise BadUserInput(problem)
    return bytes(body)


def _problem(operation: object) -> str | None:
    """Why a value is not one operation; None where it is."""
    if not isinstance(operation, dict):
        return (
            'The body is not a JSON object. Send one operation, {"query": "…", "variables": {…}}.'
        )
    if not isinstance(operation.get("query"), str):
        return "`query` has to be the text of the operation."
    if not isinstance(operation.get("variables"), dict | None):
        return "`variables` has to be an object, or to be left out."
    if not isinstance(operation.get("operationName"), str | None):
        return "`operationName` has to be a text, or to be left out."
    return None


def _replay(body: bytes) -> Receive:
    """The body once more, for whoever reads the request next."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _connection(request: Request | WebSocket) -> Connection:
    origin = request.client.host if request.client else None
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return Connection(origin, request_id)
