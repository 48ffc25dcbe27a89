"""The application, put together: the only place where the parts of the server meet."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp

from db.connect.engine import make_engine
from db.connect.notices import Notices
from db.connect.unavailable import AWAY
from delivery.reports.store import open_store
from delivery.upkeep.background_tasks import Errands
from domain.errors import LogError
from resolvers.request.process import Backstage
from schema.contract import SCHEMA, hide_suggestions, ordinarily
from server.auth.authenticator import Authenticator
from server.auth.key_sources import connect_keys
from server.graphql.endpoint import Endpoint
from server.graphql.persisted_documents import trusted_of
from server.graphql.rate_budget import Bucket, Budget, of_one_process, shared
from server.http import responses
from server.http.compression import Compression
from server.http.cors import CrossOrigin
from server.http.forwarded import Forwarded
from server.http.request_bodies import Patience
from server.http.request_log import RequestLog
from server.http.security_headers import Hardened
from server.http.viewer_slots import Places
from server.process import health
from server.process.background import beside_serving, connections_of, meanwhile, set_up
from server.routes import callbacks, console, downloads, ingest
from server.settings.settings import Settings


def utc_now() -> datetime:
    """The clock of a running server."""
    return datetime.now(UTC)


Beside = Callable[[AsyncEngine, asyncio.Event], Coroutine[Any, Any, None]]
"""Something else that goes on while a server serves, until the event is set."""


async def nothing(engine: AsyncEngine, until: asyncio.Event) -> None:
    """Nothing else."""


def create_app(
    settings: Settings, *, clock: Callable[[], datetime] = utc_now, beside: Beside = nothing
) -> ASGIApp:
    """The server for `settings`. Raises `SettingsError` where a key cannot be used, or a gateway."""
    engine = make_engine(
        settings.database_url.render_as_string(hide_password=False),
        most=connections_of(settings.database_url, serves=True),
    )
    client = httpx2.AsyncClient()
    keys = connect_keys(settings, client, clock=clock)
    authenticator = Authenticator(settings, keys, clock=clock)
    works = set_up(settings, engine=engine, client=client, clock=clock)
    backstage = Backstage(
        runtime=works.runtime,
        announce=works.runner.announce,
        notices=Notices(engine),
        errands=Errands(),
    )
    schema = SCHEMA if settings.executor == "fast" else ordinarily(SCHEMA)
    if settings.documents_mode == "only":
        schema = hide_suggestions(schema)
    graphql = Endpoint(
        schema,
        engine=engine,
        authenticator=authenticator,
        clock=clock,
        backstage=backstage,
        budget=budget_of(settings, engine),
        most=settings.operation_cost,
        seconds=settings.operation_seconds,
        trusted=trusted_of(settings),
        takes_get=settings.get_queries,
        origins=(*settings.cors_origins, *own_origins(settings)),
        most_under_way=settings.viewer_subscriptions,
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # Also where the start fails half way, or one of these does: connections left open would keep the process from ending.
        async with AsyncExitStack() as ending:
            for end in (engine.dispose, client.aclose, works.close, backstage.errands.stop):
                ending.push_async_callback(end)  # the last one is called first
            async with (
                beside_serving(settings, works),
                backstage.notices.listening(),
                meanwhile(partial(beside, engine)),
            ):
                yield

    checks = {"database": health.database_check(engine), "keys": health.keys_check(keys)}
    notes = {
        "search": health.search_note(engine),
        "delivery": health.delivery_note(works),
        "receipts": health.receipts_note(engine, clock=clock),
        "reports": health.reports_note(engine, clock=clock),
    }
    app = Starlette(
        routes=[
            Route("/", to_console),
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", graphql),
            *callbacks.routes(works.gateways_by_name, engine=engine, clock=clock),
            ingest.route(
                engine=engine,
                authenticator=authenticator,
                clock=clock,
                announce=works.runner.announce,
                most=settings.ingest_bytes,
            ),
            downloads.route(
                engine=engine,
                store=open_store(works.press.place),
                authenticator=authenticator,
                clock=clock,
            ),
            *health.routes(checks, notes),
            *console.routes(),
        ],
        lifespan=lifespan,
        exception_handlers={
            HTTPException: responses.unrouted,
            LogError: responses.refused,
            ClientDisconnect: responses.nobody,
            **dict.fromkeys(AWAY, responses.away),
            Exception: responses.fault,
        },
    )
    limited = Places(
        Patience(Compression(app), seconds=settings.body_seconds), most=settings.viewer_connections
    )
    logged = RequestLog(Hardened(crossing(settings, limited)), clock=time.perf_counter)
    return Forwarded(logged, trusted=settings.trusted_proxies, public_url=settings.public_url)


def own_origins(settings: Settings) -> tuple[str, ...]:
    """The origin of the pages of this server, which a proxy may hide from it."""
    if settings.public_url is None:
        return ()
    url = urlsplit(settings.public_url)
    return (f"{url.scheme}://{url.netloc}",)


def crossing(settings: Settings, app: ASGIApp) -> ASGIApp:
    """The application, open to the pages of the origins that are set, and to no others."""
    if not settings.cors_origins:
        return app
    return CrossOrigin(app, origins=settings.cors_origins)


def budget_of(settings: Settings, engine: AsyncEngine) -> Budget:
    """What viewers may ask for: on SQLite one process answers alone."""
    bucket = Bucket(settings.budget_capacity, settings.budget_per_second)
    is_alone = engine.dialect.name == "sqlite"
    return of_one_process(bucket) if is_alone else shared(engine, bucket)


async def to_console(request: Request) -> Response:
    """Who comes by browser is looking for the page."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}/graphiql/")
