"""The application, put together: the only place where the parts of the server meet."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp

from db.engine import make_engine
from schema.contract import SCHEMA
from server import console, health, ingest
from server.auth import Authenticator
from server.graphql import Endpoint
from server.keyring import connect_keys
from server.request_log import RequestLog
from server.settings import Settings


def utc_now() -> datetime:
    """The clock of a running server."""
    return datetime.now(UTC)


def create_app(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> ASGIApp:
    """The server for `settings`. Raises `SettingsError` where a key cannot be used."""
    engine = make_engine(settings.database_url.render_as_string(hide_password=False))
    client = httpx2.AsyncClient()
    keys = connect_keys(settings, client, clock=clock)
    authenticator = Authenticator(settings, keys, clock=clock)
    graphql = Endpoint(SCHEMA, engine=engine, authenticator=authenticator, clock=clock)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await client.aclose()
        await engine.dispose()

    checks = {"database": health.database_check(engine), "keys": health.keys_check(keys)}
    app = Starlette(
        routes=[
            Route("/", to_console),
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", graphql),
            ingest.route(engine=engine, authenticator=authenticator, clock=clock),
            *health.routes(checks),
            *console.routes(),
        ],
        lifespan=lifespan,
    )
    return RequestLog(app, clock=time.perf_counter)


async def to_console(request: Request) -> Response:
    """Who comes by browser is looking for the page."""
    return RedirectResponse("/graphiql")
