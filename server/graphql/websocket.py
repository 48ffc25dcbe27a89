"""The WebSocket side of the GraphQL endpoint, graphql-transport-ws: sign-in at `connection_init`, then operations.

The protocol is Strawberry's; here is what it leaves open: frames that are no messages of it, and that each operation
sees its own moment.
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
from starlette.websockets import WebSocketDisconnect
from starlette.websockets import WebSocketDisconnected as ClosedAlready
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
from schema.errors import coded
from server.auth.authenticator import Authenticator
from server.graphql import request as operations
from server.graphql.deadline import streamed
from server.graphql.persisted_documents import Trusted
from server.graphql.rate_budget import Charge
from server.http.counted import Held

BAD_REQUEST: Final = 4400
FORBIDDEN: Final = 4403
TRY_AGAIN_LATER: Final = 1013
_EXPIRED: Final = "Your sign-in has expired. Sign in again and connect anew."
LONGEST_REASON: Final = 123
"""Bytes of the reason in a close frame (RFC 6455, 5.5); a longer one cannot be sent at all."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Connection:
    """Where a request or a WebSocket comes from, and who signed in on it, once that has happened."""

    origin: str | None
    request_id: str | None
    prefix: str = ""
    """What a reverse proxy has before the paths of this server."""
    viewer: Viewer | None = None


class Door(Protocol):
    """What a WebSocket asks of the endpoint: who comes in, what time it is, and what an operation begins with."""

    authenticator: Authenticator
    clock: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    trusted: Trusted
    seconds: float
    """How long an operation may take, or an event of a subscription."""
    under_way: Held
    """The operations that each viewer has on WebSockets and streams."""

    def prepare(self, asked: operations.Operation) -> Prepared | None:
        """The operation, once it is measured; None where its document does not fit. Raises as `Documents.prepare`."""

    async def charge(self, viewer: Viewer, prepared: Prepared | None) -> Charge | None:
        """Take what an operation costs out of what the viewer may ask for. Raises `TooMuch`."""

    async def open(self, viewer: Viewer, connection: Connection) -> Context:
        """The context of an operation that begins now."""


class _Charged:
    """The schema for one operation: each of its results comes in time, and tells what it cost."""

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

    async def stream(self, query: str, **asked: Any) -> AsyncGenerator[Any, None]:
        """As the schema's."""
        results = await self._schema.stream(query, **asked)
        return self._results(streamed(results, kind=self._kind, seconds=self._seconds))

    async def _results(self, results: Any) -> AsyncGenerator[Any, None]:
        async with aclosing(results):
            async for result in results:
                if self._charge is not None:
                    result.extensions = {"cost": self._charge.told()}
                yield result


class Adapter(ASGIWebSocketAdapter):
    """A WebSocket that may be gone by the time it is written to."""

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a message; raises `WebSocketDisconnected` where nobody is there to take it."""
        try:
            await super().send_json(_told(message))
        except ClosedAlready as gone:
            raise WebSocketDisconnected from gone

    async def close(self, code: int, reason: str) -> None:
        """Close, with as much of the reason as a frame holds."""
        with suppress(WebSocketDisconnect, ClosedAlready):  # the other side may be first
            await super().close(code, reason.encode()[:LONGEST_REASON].decode(errors="ignore"))


class Socket(BaseGraphQLTransportWSHandler[Any, None]):
    """A WebSocket on which each operation sees its own moment."""

    view: Door  # type: ignore[assignment]  # Strawberry's own view, of which no more is needed
    context: Connection
    expiry: asyncio.Task[None] | None = None
    """Waits for the sign-in to expire, once there is one."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.asked: dict[str, operations.Operation] = {}
        """What was asked under each id, until it is begun."""

    async def handle_message(self, message: Any) -> None:
        """Take a frame; one that is no message of the protocol closes the socket."""
        problem = _problem(message)
        if problem is None and message["type"] == "subscribe":
            try:
                asked = self.asked[message["id"]] = operations.parse(message.get("payload"))
            except BadUserInput as error:
                problem = error.message
            else:
                # Strawberry reads both here; the text of a document that is named by its id follows when it is looked up.
                read = {"query": asked.query, "operationName": asked.name}
                message = {**message, "payload": {**message["payload"], **read}}
        if problem is None:
            await super().handle_message(message)
        else:
            await self.handle_invalid_message(problem)

    async def handle_connection_init(self, message: Any) -> None:
        """Sign in by what `connection_init` carries; who is refused is told why, and the socket closes."""
        if not self.connection_init_received:
            try:
                self.context.viewer = await self.view.authenticator.viewer_of_connection(
                    message.get("payload")
                )
            except LogError as error:
                await self._turn_away(error)
                return
        await super().handle_connection_init(message)
        if self.connection_acknowledged and self.expiry is None:
            self.expiry = asyncio.ensure_future(self._expire())

    async def _expire(self) -> None:
        """Close the socket when its sign-in expires, whatever runs on it."""
        viewer = self.context.viewer
        assert viewer is not None
        while (left := viewer.expires_at - self.view.clock()) > timedelta():
            await self.view.sleep(left.total_seconds())
        await self._turn_away(Unauthenticated(_EXPIRED))

    async def shutdown(self) -> None:
        """End whatever runs on the socket."""
        if self.expiry is not None:
            self.expiry.cancel()
            await asyncio.gather(self.expiry, return_exceptions=True)
        await super().shutdown()

    async def run_operation(self, operation: Operation[Any, None]) -> None:
        """Run an operation in a context of its own: what an earlier one loaded would be old by now."""
        viewer = self.context.viewer
        assert viewer is not None, "an operation came before the connection was acknowledged"
        with ExitStack() as held:
            await self._run(operation, viewer, held)

    async def _run(self, operation: Operation[Any, None], viewer: Viewer, held: ExitStack) -> None:
        fresh, asked = copy.copy(self), self.asked.pop(operation.id)
        try:
            if viewer.expires_at <= self.view.clock():
                raise Unauthenticated(_EXPIRED)
            held.enter_context(self.view.under_way.one(viewer_key(viewer)))
            asked = self.view.trusted.found(asked)
            operation.query = asked.query
            prepared = self.view.prepare(asked)
            charge = await self.view.charge(viewer, prepared)
            kind = prepared.kind if prepared else None
            timed = _Charged(self.schema, charge, kind=kind, seconds=self.view.seconds)
            fresh.schema = cast(Any, timed)
            fresh.context = cast(Any, await self.view.open(viewer, self.context))
        except (Unauthenticated, Forbidden) as error:
            await self._turn_away(error)
        except Exception as fault:
            told = coded(GraphQLError("it did not begin", original_error=fault))
            await operation.send_initial_errors([told])
        else:
            await super(Socket, fresh).run_operation(operation)

    async def handle_task_exception(self, error: Exception) -> None:
        """Write down what went wrong; that somebody left while an answer was on its way is nothing wrong."""
        if not isinstance(error, WebSocketDisconnected):
            _log.error("a WebSocket failed", exc_info=error)

    async def _turn_away(self, error: LogError) -> None:
        is_final = isinstance(error, Unauthenticated | Forbidden)
        await self.websocket.close(FORBIDDEN if is_final else TRY_AGAIN_LATER, error.message)


def _told(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message as it is to be sent: the result of an operation that never ran has no `data`, not even null."""
    if message["type"] != "next" or message["payload"]["data"] is not None:
        return message
    result = message["payload"]
    if any("path" in error for error in result.get("errors", ())):
        return message
    return {**message, "payload": {name: result[name] for name in result if name != "data"}}


def _problem(message: object) -> str | None:
    """Why a frame is no message of the protocol; None where it is."""
    if isinstance(message, BadUserInput):
        return message.message
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message is a JSON object with a type."
    if not isinstance(message.get("payload"), dict | None):
        return "The payload of a message is a JSON object, or is left out."
    if message["type"] in ("subscribe", "complete") and not isinstance(message.get("id"), str):
        return f"A {message['type']} message has an id, which is a text."
    return None
