"""The GraphQL endpoint: signs in, reads one operation, has it executed, and answers as JSON or as a stream of events.

What the operation means is the schema's business; what an error says is `schema.errors`'. Frames of a WebSocket are in
`server.graphql.websocket`, events in `server.graphql.sse`.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import ExitStack, aclosing
from datetime import datetime, timedelta
from typing import Any, Final, cast

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from domain.errors import BadUserInput, LogError
from domain.viewer import Viewer, viewer_key
from resolvers.request.context import Context, open_context
from resolvers.request.process import Backstage, nothing_behind
from schema.contract import Contract
from schema.documents.documents import Prepared
from schema.documents.limits import LIMITS
from schema.errors import unexecutable
from server.auth.authenticator import Authenticator
from server.graphql import request as operation
from server.graphql.deadline import answered, streamed
from server.graphql.json_text import read_json
from server.graphql.persisted_documents import Trusted
from server.graphql.rate_budget import Budget, Charge
from server.graphql.sse import EventStream
from server.graphql.websocket import Adapter, Connection, Socket
from server.http.accept import GRAPHQL_RESPONSE, JSON, json_type, prefers_events
from server.http.counted import Held
from server.http.request_log import current_id
from server.http.responses import WrongMethod, json, refusal, require_content_type

INIT_TIMEOUT: Final = timedelta(seconds=10)


class Endpoint(GraphQL[Any, None]):
    """`/graphql`."""

    schema: Contract
    websocket_adapter_class = cast(Any, Adapter)
    graphql_transport_ws_handler_class = cast(Any, Socket)

    def __init__(
        self,
        schema: Contract,
        *,
        engine: AsyncEngine,
        authenticator: Authenticator,
        clock: Callable[[], datetime],
        backstage: Backstage | None = None,
        budget: Budget | None = None,
        most: int = LIMITS.cost,
        origins: Sequence[str] = (),
        seconds: float = 30.0,
        trusted: Trusted | None = None,
        takes_get: bool = False,
        most_under_way: int = 100,
    ) -> None:
        """`most` objects may one operation return, in `seconds`; without a `budget` nobody's is counted.

        Pages of `origins` may open a WebSocket, beside our own. `takes_get`: queries may come by GET. `most_under_way`:
        operations of one viewer at once on WebSockets and streams of events.
        """
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=INIT_TIMEOUT,
            allowed_origins=origins,
        )
        self.engine = engine
        self.authenticator = authenticator
        self.clock = clock
        self.backstage = backstage or nothing_behind(engine, clock=clock)
        self.sleep = self.backstage.runtime.sleep
        self.budget = budget
        self.most = most
        self.seconds = seconds
        self.trusted = trusted or Trusted()
        self.takes_get = takes_get
        self.under_way = Held(most_under_way, what="operations on WebSockets and streams")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        with ExitStack() as held:
            request = Request(scope, receive)
            try:
                answer = await self.answer(request, held)
            except LogError as error:
                answer = refusal(error, media_type=json_type(_accept(request)))
            await answer(scope, receive, send)

    async def answer(self, request: Request, held: ExitStack) -> Response:
        """The answer to one operation, for which `held` has what is to be given back at its end.

        Raises whatever `LogError` stands in its way.
        """
        by_get = self.takes_get and request.method == "GET"
        if not by_get and request.method != "POST":
            raise WrongMethod(
                f"{request.method} is not taken here. Send operations by POST; the page is at /graphiql.",
                allow="GET, POST" if self.takes_get else "POST",
            )
        # The sign-in comes before the body is read: nobody uploads to us without one.
        viewer = await self.authenticator.viewer(request.headers.get("authorization"))
        if not by_get:
            require_content_type(request, JSON)
        asked = operation.read_address(request) if by_get else await operation.read(request)
        asked = self.trusted.found(asked)
        accepted = _accept(request)
        streams = prefers_events(accepted)
        prepared = self.prepare(asked)
        if by_get:
            _require_query(prepared)
        if streams:
            held.enter_context(self.under_way.one(viewer_key(viewer)))
        else:
            _require_one_answer(prepared)
        kind = prepared.kind if prepared else None
        charge = await self.charge(viewer, prepared)
        context = await self.open(viewer, _connection(request))
        # Loaders refer to each other: what they hold would stay until the cyclic collector looks.
        held.callback(context.loaders.forget)
        if streams:
            results = await self.schema.stream(
                asked.query,
                variable_values=asked.variables,
                operation_name=asked.name,
                context_value=context,
            )
            timed = streamed(results, kind=kind, seconds=self.seconds)
            return EventStream(_payloads(timed, charge), sleep=self.sleep)
        executed = self.schema.execute(
            asked.query,
            variable_values=asked.variables,
            operation_name=asked.name,
            context_value=context,
        )
        result = await answered(executed, kind=kind, seconds=self.seconds)
        held.callback(_let_go, result)
        return _told(result, charge, type=json_type(accepted))

    def prepare(self, asked: operation.Operation) -> Prepared | None:
        """The operation, once it is measured; None where its document does not fit. Raises as `Documents.prepare`.

        Nothing has been asked of the database until here.
        """
        return self.schema.documents.prepare(
            asked.query, name=asked.name, variables=asked.variables, most=self.most
        )

    async def charge(self, viewer: Viewer, prepared: Prepared | None) -> Charge | None:
        """Take what an operation costs out of what the viewer may ask for, and at least one object. Raises `TooMuch`."""
        if self.budget is None:
            return None
        cost = 1 if prepared is None else max(prepared.cost, 1)
        return await self.budget.charge(viewer, cost, limit=self.most)

    async def open(self, viewer: Viewer, connection: Connection) -> Context:
        """The context of an operation that begins now."""
        return await open_context(
            self.engine,
            viewer,
            now=self.clock(),
            origin=connection.origin,
            request_id=connection.request_id,
            prefix=connection.prefix,
            backstage=self.backstage,
        )

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Connection:
        """What a WebSocket begins with; each of its operations gets a context of its own."""
        return _connection(request)

    def decode_json(self, data: str | bytes) -> object:
        """The value, or as a `BadUserInput` why it is refused: Strawberry has one reason for all that raises.

        What is not JSON raises `JSONDecodeError`, as does JSON that is nested without end.
        """
        try:
            return read_json(data)
        except BadUserInput as error:
            return error

    def encode_json(self, data: object) -> str:
        """The text: a frame of this protocol is text, not bytes."""
        return orjson.dumps(data).decode()


def _let_go(result: ExecutionResult) -> None:
    """Nothing, with what was held until its answer was on its way: thousands of objects take as long to be thrown away as to be
    written."""


def _require_query(prepared: Prepared | None) -> None:
    """Pass if an operation changes nothing and has one answer. Raises `WrongMethod` for any other: whatever fetches an
    address, such as a cache or a preview, may fetch it again."""
    if prepared is not None and prepared.kind is not OperationType.QUERY:
        raise WrongMethod(f"A {prepared.kind.value} is not taken by GET. Send it by POST.")


def _require_one_answer(prepared: Prepared | None) -> None:
    """Pass if an operation has one answer. Raises `BadUserInput` for a subscription."""
    if prepared is not None and prepared.kind is OperationType.SUBSCRIPTION:
        raise unexecutable(InvalidOperationTypeError(prepared.kind))


def _accept(request: Request) -> str:
    return request.headers.get("accept", "")


def _told(result: ExecutionResult, charge: Charge | None, *, type: str) -> Response:
    """What an operation came to, as the one answer to its request."""
    answer = _payload(result, charge)
    return json(
        answer,
        status=400 if type == GRAPHQL_RESPONSE and "data" not in answer else 200,
        headers={"cache-control": "no-store"},
        media_type=type,
    )


async def _payloads(results: Any, charge: Charge | None) -> AsyncGenerator[Mapping[str, Any], None]:
    """What an operation comes to, time after time."""
    async with aclosing(results):
        async for result in results:
            yield _payload(result, charge)


def _payload(result: ExecutionResult, charge: Charge | None) -> Mapping[str, Any]:
    """What an operation came to, and what it cost. One that never ran has no `data`, not even null."""
    errors = result.errors or []
    payload: dict[str, Any] = {}
    if errors:
        payload["errors"] = [error.formatted for error in errors]
    if result.data is not None or any(error.path for error in errors):
        payload["data"] = result.data
    if charge is not None:
        payload["extensions"] = {"cost": charge.told()}
    return payload


def _connection(request: Request | WebSocket) -> Connection:
    origin = request.client.host if request.client else None
    return Connection(origin, current_id(), request.scope.get("root_path", ""))
