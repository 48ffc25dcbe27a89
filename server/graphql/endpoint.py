"""The GraphQL endpoint: authenticates, reads one operation, executes it, and responds with JSON or a stream of events.

`schema.errors` writes errors, `server.graphql.websocket` speaks WebSocket, `server.graphql.sse` sends events.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import ExitStack, aclosing
from datetime import datetime, timedelta
from typing import Any, Final, cast

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from db.connect.database import Database
from domain.errors import BadUserInput, LogError
from domain.viewer import Viewer, viewer_key
from resolvers.request.context import Context, open_context
from resolvers.request.process import ProcessServices, database_only
from schema.contract import Contract
from schema.documents.documents import Prepared
from schema.documents.limits import LIMITS
from schema.errors import unexecutable
from server.auth.authenticator import Authenticator
from server.graphql.deadline import run_within, stream_within
from server.graphql.json_text import read_json
from server.graphql.persisted_documents import PersistedDocuments
from server.graphql.rate_budget import Charge, RateBudget
from server.graphql.request import Operation, read_body, read_url
from server.graphql.sse import EventStream
from server.graphql.websocket import Adapter, Connection, Socket
from server.http.accept import GRAPHQL_RESPONSE, JSON, json_type, prefers_events
from server.http.request_log import current_id
from server.http.responses import WrongMethod, json, refusal, require_content_type
from server.http.viewer_slots import ViewerCounter

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
        database: Database,
        authenticator: Authenticator,
        clock: Callable[[], datetime],
        process_services: ProcessServices | None = None,
        budget: RateBudget | None = None,
        most: int = LIMITS.cost,
        origins: Sequence[str] = (),
        seconds: float = 30.0,
        trusted: PersistedDocuments | None = None,
        takes_get: bool = False,
        most_under_way: int = 100,
    ) -> None:
        """`most`: objects that an operation may return, within `seconds`. Without a `budget` there is no rate limit.

        `origins`: other sites whose pages may open a WebSocket. `takes_get`: accept queries by GET. `most_under_way`: concurrent
        operations of a viewer on WebSockets and event streams.
        """
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=INIT_TIMEOUT,
            allowed_origins=origins,
        )
        self.database = database
        self.authenticator = authenticator
        self.clock = clock
        self.process_services = process_services or database_only(database, clock=clock)
        self.sleep = self.process_services.runtime.sleep
        self.budget = budget
        self.most = most
        self.seconds = seconds
        self.trusted = trusted or PersistedDocuments()
        self.takes_get = takes_get
        self.under_way = ViewerCounter(most_under_way, what="operations on WebSockets and streams")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        with ExitStack() as resources:
            request = Request(scope, receive)
            try:
                answer = await self.answer(request, resources)
            except LogError as error:
                answer = refusal(error, media_type=json_type(_accept(request)))
            await answer(scope, receive, send)

    async def answer(self, request: Request, resources: ExitStack) -> Response:
        """The response to one operation. `resources` releases what the operation holds once the response is sent.

        Raises `LogError` if the operation is refused.
        """
        by_get = self.takes_get and request.method == "GET"
        if not by_get and request.method != "POST":
            raise WrongMethod(
                f"{request.method} is not supported here. Send operations by POST; the page is at /graphiql.",
                allow="GET, POST" if self.takes_get else "POST",
            )
        # Authenticate before the body is read: only signed-in clients may upload one.
        viewer = await self.authenticator.viewer(request.headers.get("authorization"))
        if not by_get:
            require_content_type(request, JSON)
        requested = read_url(request) if by_get else await read_body(request)
        requested = self.trusted.resolve(requested)
        accepted = _accept(request)
        streams = prefers_events(accepted)
        prepared = self.prepare(requested)
        if by_get:
            _require_query(prepared)
        if streams:
            resources.enter_context(self.under_way.one(viewer_key(viewer)))
        else:
            _require_one_answer(prepared)
        kind = prepared.kind if prepared else None
        charge = await self.charge(viewer, prepared)
        context = await self.open(viewer, _connection(request))
        # Loaders refer to each other: without this, their rows stay in memory until the cyclic collector runs.
        resources.callback(context.loaders.forget)
        if streams:
            results = await self.schema.stream(
                requested.query,
                variable_values=requested.variables,
                operation_name=requested.name,
                context_value=context,
            )
            timed = stream_within(results, kind=kind, seconds=self.seconds)
            return EventStream(_payloads(timed, charge), sleep=self.sleep)
        executed = self.schema.execute(
            requested.query,
            variable_values=requested.variables,
            operation_name=requested.name,
            context_value=context,
        )
        result = await run_within(executed, kind=kind, seconds=self.seconds)
        resources.callback(_keep_alive, result)
        return _response(result, charge, type=json_type(accepted))

    def prepare(self, requested: Operation) -> Prepared | None:
        """The measured operation; None if its document is invalid. Raises as `Documents.prepare`.

        No statement has been sent to the database so far.
        """
        return self.schema.documents.prepare(
            requested.query, name=requested.name, variables=requested.variables, most=self.most
        )

    async def charge(self, viewer: Viewer, prepared: Prepared | None) -> Charge | None:
        """Charge the cost of an operation, at least 1, to the viewer's rate budget. Raises `RateLimited`."""
        if self.budget is None:
            return None
        cost = 1 if prepared is None else max(prepared.cost, 1)
        return await self.budget.charge(viewer, cost, limit=self.most)

    async def open(self, viewer: Viewer, connection: Connection) -> Context:
        """The context of a new operation."""
        return await open_context(
            self.database,
            viewer,
            now=self.clock(),
            origin=connection.origin,
            request_id=connection.request_id,
            prefix=connection.prefix,
            process_services=self.process_services,
        )

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Connection:
        """The connection of a WebSocket; each of its operations gets its own context."""
        return _connection(request)

    def decode_json(self, data: str | bytes) -> object:
        """The JSON value, or the `BadUserInput` that refuses it; raising it would make Strawberry report another reason.

        Raises `JSONDecodeError` for invalid JSON and for endless nesting.
        """
        try:
            return read_json(data)
        except BadUserInput as error:
            return error

    def encode_json(self, data: object) -> str:
        """The value as JSON text: a frame of this protocol is text, not bytes."""
        return orjson.dumps(data).decode()


def _keep_alive(result: ExecutionResult) -> None:
    """Keep a result alive until its response is sent: freeing thousands of objects takes as long as writing them."""


def _require_query(prepared: Prepared | None) -> None:
    """Pass if an operation is a query. Raises `WrongMethod` for others: a cache or a link preview may fetch an address
    any number of times."""
    if prepared is not None and prepared.kind is not OperationType.QUERY:
        raise WrongMethod(f"A {prepared.kind.value} is not taken by GET. Send it by POST.")


def _require_one_answer(prepared: Prepared | None) -> None:
    """Pass if an operation has a single response. Raises `BadUserInput` for a subscription."""
    if prepared is not None and prepared.kind is OperationType.SUBSCRIPTION:
        raise unexecutable(InvalidOperationTypeError(prepared.kind))


def _accept(request: Request) -> str:
    return request.headers.get("accept", "")


def _response(result: ExecutionResult, charge: Charge | None, *, type: str) -> Response:
    """The response with the result of an operation."""
    answer = _payload(result, charge)
    return json(
        answer,
        status=400 if type == GRAPHQL_RESPONSE and "data" not in answer else 200,
        headers={"cache-control": "no-store"},
        media_type=type,
    )


async def _payloads(results: Any, charge: Charge | None) -> AsyncGenerator[Mapping[str, Any], None]:
    """The payloads of the results of an operation."""
    async with aclosing(results):
        async for result in results:
            yield _payload(result, charge)


def _payload(result: ExecutionResult, charge: Charge | None) -> Mapping[str, Any]:
    """A result with its cost. The result of an operation that never ran has no `data`, not even null."""
    errors = result.errors or []
    payload: dict[str, Any] = {}
    if errors:
        payload["errors"] = [error.formatted for error in errors]
    if result.data is not None or any(error.path for error in errors):
        payload["data"] = result.data
    if charge is not None:
        payload["extensions"] = {"cost": charge.extension()}
    return payload


def _connection(request: Request | WebSocket) -> Connection:
    origin = request.client.host if request.client else None
    return Connection(origin, current_id(), request.scope.get("root_path", ""))
