"""A fake server for the tests of the page: it accepts one token, and records the requests.

Its GraphQL is Strawberry's, as ours; its schema is just large enough for a query and a subscription.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import strawberry
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.unset import UnsetType

from server.routes.console import routes


@strawberry.type
class Query:
    @strawberry.field
    def greeting(self, name: str = "log") -> str:
        return f"Hello, {name}"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def revision(self) -> AsyncGenerator[int, None]:
        for revision in (1, 2, 3):
            yield revision


@dataclass
class StandIn:
    """The application, and what came to it: headers by HTTP; by WebSocket, protocols and payloads of `connection_init`."""

    accepted: str
    headers: list[Headers] = field(default_factory=list)
    protocols: list[list[str]] = field(default_factory=list)
    payloads: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._files = Starlette(routes=routes())
        self._graphql = _Signed(self)

    def takes(self, authorization: object) -> bool:
        return authorization == f"Bearer {self.accepted}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"] != "/graphql":
            await self._files(scope, receive, send)
        elif scope["type"] == "websocket":
            self.protocols.append(scope["subprotocols"])
            await self._graphql(scope, receive, send)
        else:
            self.headers.append(Headers(scope=scope))
            if self.takes(self.headers[-1].get("authorization")):
                await self._graphql(scope, receive, send)
            else:
                error = {"message": "Sign in.", "extensions": {"code": "UNAUTHENTICATED"}}
                await JSONResponse({"errors": [error]}, 401)(scope, receive, send)


class _Signed(GraphQL[dict[str, object], None]):
    """Takes a connection as `StandIn` takes a request."""

    def __init__(self, stand_in: StandIn) -> None:
        super().__init__(
            strawberry.Schema(Query, subscription=Subscription),
            graphql_ide=None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
        )
        self._stand_in = stand_in

    async def on_ws_connect(
        self, context: dict[str, object]
    ) -> UnsetType | dict[str, object] | None:
        payload = context["connection_params"]
        self._stand_in.payloads.append(payload)
        if not isinstance(payload, dict) or not self._stand_in.takes(payload.get("Authorization")):
            raise ConnectionRejectionError
        return await super().on_ws_connect(context)
