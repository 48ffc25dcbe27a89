"""The WebSocket side of the GraphQL endpoint, graphql-transport-ws: sign-in at `connection_init`, then operations.

Strawberry implements the protocol. This module adds the check of invalid frames, and a context of its own for each
operation.
"""

import asyncio
import copy
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, cast

import structlog
from graphql import GraphQLError
from starlette import websockets
from starlette.websockets import WebSocketDisconnect
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.schema import BaseSchema
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.types.graphql import OperationType

from domain.errors import BadUserInput, Forbidden, LogError, Unauthenticated
from domain.viewer import Viewer, viewer_key
from resolvers.request.context import Context
from schema.documents.documents import Prepared
from schema.errors import client_error
from server.auth.authenticator import Authenticator
from server.graphql import request
from server.graphql.deadline import stream_within
from server.graphql.persisted_documents import PersistedDocuments
from server.graphql.rate_budget import Charge
from server.http.viewer_slots import ViewerCounter

BAD_REQUEST: Final = 4400
FORBIDDEN: Final = 4403
TRY_AGAIN_LATER: Final = 1013
_EXPIRED: Final = "Your sign-in has expired. Sign in again and reconnect."
LONGEST_REASON: Final = 123
"""Bytes of the reason in a close frame (RFC 6455, 5.5); a longer one cannot be sent."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Connection:
    """The origin of a request or a WebSocket, and its viewer after sign-in."""

    origin: str | None
    request_id: str | None
    prefix: str = ""
    """The path prefix that a reverse proxy adds."""
    viewer: Viewer | None = None


class EndpointPort(Protocol):
    """What a WebSocket needs of the endpoint."""

    authenticator: Authenticator
    clock: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    trusted: PersistedDocuments
    seconds: float
    """Timeout of an operation, or of an event of a subscription."""
    under_way: ViewerCounter
    """Counts the operations of each viewer on WebSockets and event streams."""

    def prepare(self, requested: request.Operation) -> Prepared | None:
        """The measured operation; None if its document is invalid. Raises as `Documents.prepare`."""

    async def charge(self, viewer: Viewer, prepared: Prepared | None) -> Charge | None:
        """Charge an operation to the viewer's rate budget. Raises `RateLimited`."""

    async def open(self, viewer: Viewer, connection: Connection) -> Context:
        """The context of a new operation."""


class _TimedSchema:
    """The schema for one operation: adds the timeout and the cost to its results."""

    def __init__(
        self,
        schema: BaseSchema,
        charge: Charge | None,
        *,
        kind: OperationType | None,
        seconds: float,
    ) -> None:
        self._schema = schema
        self._charge = charge
        self._kind = kind
        self._seconds = seconds

    async def stream(self, query: str, **requested: Any) -> AsyncGenerator[Any, None]:
        """As the schema's `stream`."""
        results = await self._schema.stream(query, **requested)
        return self._results(stream_within(results, kind=self._kind, seconds=self._seconds))

    async def _results(self, results: Any) -> AsyncGenerator[Any, None]:
        async with aclosing(results):
            async for result in results:
                if self._charge is not None:
                    result.extensions = {"cost": self._charge.extension()}
                yield result


class Adapter(ASGIWebSocketAdapter):
    """A WebSocket that may be closed when it is written to."""

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a message. Raises `WebSocketDisconnected` if the client has disconnected."""
        try:
            await super().send_json(_outgoing(message))
        except websockets.WebSocketDisconnected as gone:
            raise WebSocketDisconnected from gone

    async def close(self, code: int, reason: str) -> None:
        """Close, with the reason cut to the size of a frame."""
        with suppress(
            WebSocketDisconnect, websockets.WebSocketDisconnected
        ):  # the client may have closed first
            await super().close(code, reason.encode()[:LONGEST_REASON].decode(errors="ignore"))


class Socket(BaseGraphQLTransportWSHandler[Any, None]):
    """A WebSocket. Each operation on it has its own context."""

    view: EndpointPort  # type: ignore[assignment]  # Strawberry's own type is wider
    context: Connection
    expiry: asyncio.Task[None] | None = None
    """Closes the socket when the sign-in expires."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.requested: dict[str, request.Operation] = {}
        """Operations by id, until they start."""

    async def handle_message(self, message: Any) -> None:
        """Handle a frame; close the socket if it violates the protocol."""
        problem = _violation(message)
        if problem is None and message["type"] == "subscribe":
            try:
                requested = self.requested[message["id"]] = request.parse(message.get("payload"))
            except BadUserInput as error:
                problem = error.message
            else:
                # Strawberry reads both here; for a document named by its id, `_run` sets the text.
                payload = {"query": requested.query, "operationName": requested.name}
                message = {**message, "payload": {**message["payload"], **payload}}
        if problem is None:
            await super().handle_message(message)
        else:
            await self.handle_invalid_message(problem)

    async def handle_connection_init(self, message: Any) -> None:
        """Authenticate with the payload of `connection_init`; on failure close the socket with the reason."""
        if not self.connection_init_received:
            try:
                self.context.viewer = await self.view.authenticator.viewer_of_connection(
                    message.get("payload")
                )
            except LogError as error:
                await self._close_for(error)
                return
        await super().handle_connection_init(message)
        if self.connection_acknowledged and self.expiry is None:
            self.expiry = asyncio.ensure_future(self._expire())

    async def _expire(self) -> None:
        """Close the socket when the sign-in expires."""
        viewer = self.context.viewer
        assert viewer is not None
        while (left := viewer.expires_at - self.view.clock()) > timedelta():
            await self.view.sleep(left.total_seconds())
        await self._close_for(Unauthenticated(_EXPIRED))

    async def shutdown(self) -> None:
        """Cancel everything that runs on the socket."""
        if self.expiry is not None:
            self.expiry.cancel()
            await asyncio.gather(self.expiry, return_exceptions=True)
        await super().shutdown()

    async def run_operation(self, operation: Operation[Any, None]) -> None:
        """Run an operation in its own context: rows that an earlier operation loaded are out of date."""
        viewer = self.context.viewer
        assert viewer is not None, "an operation came before the connection was acknowledged"
        with ExitStack() as resources:
            await self._run(operation, viewer, resources)

    async def _run(
        self, operation: Operation[Any, None], viewer: Viewer, resources: ExitStack
    ) -> None:
        fresh, requested = copy.copy(self), self.requested.pop(operation.id)
        try:
            if viewer.expires_at <= self.view.clock():
                raise Unauthenticated(_EXPIRED)
            resources.enter_context(self.view.under_way.one(viewer_key(viewer)))
            requested = self.view.trusted.resolve(requested)
            operation.query = requested.query
            prepared = self.view.prepare(requested)
            charge = await self.view.charge(viewer, prepared)
            kind = prepared.kind if prepared else None
            timed = _TimedSchema(self.schema, charge, kind=kind, seconds=self.view.seconds)
            fresh.schema = cast(Any, timed)
            fresh.context = cast(Any, await self.view.open(viewer, self.context))
        except (Unauthenticated, Forbidden) as error:
            await self._close_for(error)
        except Exception as fault:
            failure = client_error(GraphQLError("it did not begin", original_error=fault))
            await operation.send_initial_errors([failure])
        else:
            await super(Socket, fresh).run_operation(operation)

    async def handle_task_exception(self, error: Exception) -> None:
        """Log an error, except that the client disconnected."""
        if not isinstance(error, WebSocketDisconnected):
            _log.error("a WebSocket failed", exc_info=error)

    async def _close_for(self, error: LogError) -> None:
        is_final = isinstance(error, Unauthenticated | Forbidden)
        await self.websocket.close(FORBIDDEN if is_final else TRY_AGAIN_LATER, error.message)


def _outgoing(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message to send: the result of an operation that never ran has no `data`, not even null."""
    if message["type"] != "next" or message["payload"]["data"] is not None:
        return message
    result = message["payload"]
    if any("path" in error for error in result.get("errors", ())):
        return message
    return {**message, "payload": {name: result[name] for name in result if name != "data"}}


def _violation(message: object) -> str | None:
    """Why a frame violates the protocol; None if it is valid."""
    if isinstance(message, BadUserInput):
        return message.message
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message is a JSON object with a type."
    if not isinstance(message.get("payload"), dict | None):
        return "The payload of a message is a JSON object, or is left out."
    if message["type"] in ("subscribe", "complete") and not isinstance(message.get("id"), str):
        return f"A {message['type']} message has an id, which is a text."
    return None
