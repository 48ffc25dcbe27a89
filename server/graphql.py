"""The GraphQL endpoint: signs in, reads one operation, has it executed, and answers as JSON or as a stream of events.

What the operation means is the schema's business; what an error says is `schema.errors`'. Frames of a WebSocket are in
`server.frames`, events in `server.event_stream`.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, Final, cast

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.schema import BaseSchema
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from domain.errors import LogError
from domain.viewer import Viewer
from resolvers.backstage import Backstage, nothing_behind
from resolvers.context import Context, open_context
from schema.errors import unexecutable
from server import event_stream, operation
from server.answers import JSON, WrongMethod, json, refusal, require_content_type
from server.auth import Authenticator
from server.event_stream import EventStream
from server.frames import Adapter, Connection, Socket
from server.request_log import current_id

GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
"""With this type the status tells whether the operation ran; with plain JSON it is 200 (GraphQL over HTTP, 6.4)."""

INIT_TIMEOUT: Final = timedelta(seconds=10)

_BY_POST: Final = (OperationType.QUERY, OperationType.MUTATION)


class Endpoint(GraphQL[Any, None]):
    """`/graphql`."""

    websocket_adapter_class = cast(Any, Adapter)
    graphql_transport_ws_handler_class = cast(Any, Socket)

    def __init__(
        self,
        schema: BaseSchema,
        *,
        engine: AsyncEngine,
        authenticator: Authenticator,
        clock: Callable[[], datetime],
        backstage: Backstage | None = None,
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=INIT_TIMEOUT,
        )
        self.engine = engine
        self.authenticator = authenticator
        self.clock = clock
        self.backstage = backstage or nothing_behind(engine, clock=clock)
        self.sleep = self.backstage.bench.sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        try:
            answer = await self.answer(Request(scope, receive))
        except LogError as error:
            answer = refusal(error)
        await answer(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """The answer to one operation. Raises whatever `LogError` stands in its way."""
        if request.method != "POST":
            raise WrongMethod(
                f"{request.method} is not taken here. Send operations by POST; the page is at /graphiql."
            )
        # The sign-in comes before the body is read: nobody uploads to us without one.
        viewer = await self.authenticator.viewer(request.headers.get("authorization"))
        require_content_type(request, JSON)
        asked = await operation.read(request)
        context = await self.open(viewer, _connection(request))
        accept = request.headers.get("accept", "")
        if event_stream.is_preferred(accept):
            results = await self.schema.stream(
                asked.query,
                variable_values=asked.variables,
                operation_name=asked.name,
                context_value=context,
            )
            return EventStream(_payloads(results), sleep=self.sleep)
        try:
            result = await self.schema.execute(
                asked.query,
                variable_values=asked.variables,
                operation_name=asked.name,
                context_value=context,
                allowed_operation_types=_BY_POST,
            )
        except (CannotGetOperationTypeError, InvalidOperationTypeError) as error:
            raise unexecutable(error) from None
        return _told(result, accept=accept)

    async def open(self, viewer: Viewer, connection: Connection) -> Context:
        """The context of an operation that begins now."""
        return await open_context(
            self.engine,
            viewer,
            now=self.clock(),
            origin=connection.origin,
            request_id=connection.request_id,
            backstage=self.backstage,
        )

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Connection:
        """What a WebSocket begins with; each of its operations gets a context of its own."""
        return _connection(request)

    def decode_json(self, data: str | bytes) -> object:
        """The value; what is no JSON raises `JSONDecodeError`, as does JSON that is nested without end."""
        return cast(object, orjson.loads(data))

    def encode_json(self, data: object) -> str:
        """The text: a frame of this protocol is text, not bytes."""
        return orjson.dumps(data).decode()


def _told(result: ExecutionResult, *, accept: str) -> Response:
    """What an operation came to, as the one answer to its request."""
    answer = _payload(result)
    wants_status = GRAPHQL_RESPONSE in accept
    return json(
        answer,
        status=200 if "data" in answer or not wants_status else 400,
        headers={"cache-control": "no-store"},
        media_type=GRAPHQL_RESPONSE if wants_status else JSON,
    )


async def _payloads(results: Any) -> AsyncGenerator[Mapping[str, Any], None]:
    """What an operation comes to, time after time."""
    async with aclosing(results):
        async for result in results:
            yield _payload(result)


def _payload(result: ExecutionResult) -> Mapping[str, Any]:
    """What an operation came to. One that never ran has no `data`, not even null."""
    errors = result.errors or []
    payload: dict[str, Any] = {}
    if errors:
        payload["errors"] = [error.formatted for error in errors]
    if result.data is not None or any(error.path for error in errors):
        payload["data"] = result.data
    return payload


def _connection(request: Request | WebSocket) -> Connection:
    origin = request.client.host if request.client else None
    return Connection(origin, current_id())
