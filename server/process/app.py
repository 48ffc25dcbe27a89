"""Builds the ASGI application from the parts of the server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp

from db.connect.database import Database
from db.connect.notices import Notices
from db.connect.unavailable import AWAY
from delivery.reports.store import open_store
from delivery.upkeep.background_tasks import BackgroundTasks
from domain.errors import LogError
from resolvers.request.process import ProcessServices
from schema.contract import SCHEMA, hide_suggestions, with_executor
from server.auth.authenticator import Authenticator
from server.auth.key_sources import connect_keys
from server.graphql.endpoint import Endpoint
from server.graphql.persisted_documents import documents_of
from server.graphql.rate_budget import BudgetLimits, RateBudget, local_budget, shared_budget
from server.http import responses
from server.http.compression import Compression
from server.http.cors import CrossOrigin
from server.http.forwarded import ForwardedHeaders
from server.http.request_bodies import BodyTimeout
from server.http.request_log import RequestLog
from server.http.security_headers import SecurityHeaders
from server.http.viewer_slots import ViewerSlots
from server.process import health
from server.process.background import build_services, connections_of, run_beside, work_while_serving
from server.routes import callbacks, console, downloads, ingest
from server.settings.settings import Settings


def utc_now() -> datetime:
    """The current time in UTC: the clock of a running server."""
    return datetime.now(UTC)


BackgroundTask = Callable[[Database, asyncio.Event], Coroutine[Any, Any, None]]
"""A background task that runs while a server serves, until the event is set."""


async def no_task(database: Database, until: asyncio.Event) -> None:
    """A background task that does nothing."""


def create_app(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    background_task: BackgroundTask = no_task,
) -> ASGIApp:
    """The ASGI application for `settings`. Raises `SettingsError` for an unusable key or gateway."""
    database = Database(
        settings.database_url.render_as_string(hide_password=False),
        most=connections_of(settings.database_url, serves=True),
    )
    client = httpx2.AsyncClient()
    keys = connect_keys(settings, client, clock=clock)
    authenticator = Authenticator(settings, keys, clock=clock)
    services = build_services(settings, database=database, client=client, clock=clock)
    process_services = ProcessServices(
        runtime=services.runtime,
        announce=services.runner.announce,
        notices=Notices(database),
        background_tasks=BackgroundTasks(),
    )
    schema = SCHEMA if settings.executor == "fast" else with_executor(SCHEMA, settings.executor)
    if settings.documents_mode == "only":
        schema = hide_suggestions(schema)
    graphql = Endpoint(
        schema,
        database=database,
        authenticator=authenticator,
        clock=clock,
        process_services=process_services,
        budget=budget_of(settings, database),
        most=settings.operation_cost,
        seconds=settings.operation_seconds,
        trusted=documents_of(settings),
        takes_get=settings.get_queries,
        origins=(*settings.cors_origins, *own_origins(settings)),
        most_under_way=settings.viewer_subscriptions,
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # Runs also if the start fails halfway: an open connection would keep the process from ending.
        async with AsyncExitStack() as ending:
            for end in (
                database.dispose,
                client.aclose,
                services.close,
                process_services.background_tasks.stop,
            ):
                ending.push_async_callback(end)  # the last one is called first
            async with (
                work_while_serving(settings, services),
                process_services.notices.listening(),
                run_beside(partial(background_task, database)),
            ):
                yield

    checks = {"database": health.database_check(database), "keys": health.keys_check(keys)}
    notes = {
        "search": health.search_note(database),
        "delivery": health.delivery_note(services),
        "receipts": health.receipts_note(database, clock=clock),
        "reports": health.reports_note(database, clock=clock),
    }
    app = Starlette(
        routes=[
            Route("/", redirect_to_console),
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", graphql),
            *callbacks.routes(services.gateways_by_name, database=database, clock=clock),
            ingest.route(
                database=database,
                authenticator=authenticator,
                clock=clock,
                announce=services.runner.announce,
                most=settings.ingest_bytes,
            ),
            downloads.route(
                database=database,
                store=open_store(services.report_runtime.place),
                authenticator=authenticator,
                clock=clock,
            ),
            *health.routes(checks, notes),
            *console.routes(),
        ],
        lifespan=lifespan,
        exception_handlers={
            HTTPException: responses.not_routed,
            LogError: responses.refuse,
            ClientDisconnect: responses.disconnected,
            **dict.fromkeys(AWAY, responses.unavailable),
            Exception: responses.internal_error,
        },
    )
    limited = ViewerSlots(
        BodyTimeout(Compression(app), seconds=settings.body_seconds),
        most=settings.viewer_connections,
    )
    logged = RequestLog(SecurityHeaders(with_cors(settings, limited)), clock=time.perf_counter)
    return ForwardedHeaders(
        logged, trusted=settings.trusted_proxies, public_url=settings.public_url
    )


def own_origins(settings: Settings) -> tuple[str, ...]:
    """The origin of the server's own pages, from the public URL; none if that is not set."""
    if settings.public_url is None:
        return ()
    url = urlsplit(settings.public_url)
    return (f"{url.scheme}://{url.netloc}",)


def with_cors(settings: Settings, app: ASGIApp) -> ASGIApp:
    """The application with CORS for the configured origins, or unchanged if there are none."""
    if not settings.cors_origins:
        return app
    return CrossOrigin(app, origins=settings.cors_origins)


def budget_of(settings: Settings, database: Database) -> RateBudget:
    """The rate budget: in memory on SQLite, which has one server process, else shared in the database."""
    bucket = BudgetLimits(settings.budget_capacity, settings.budget_per_second)
    is_alone = not database.is_postgresql
    return local_budget(bucket) if is_alone else shared_budget(database, bucket)


async def redirect_to_console(request: Request) -> Response:
    """Redirect a browser from `/` to the console."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}/graphiql/")
