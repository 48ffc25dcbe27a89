"""`/healthz` and `/readyz`: whether this process is alive, and whether it can serve requests."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db import migrations
from db.connect.database import Database
from db.connect.unavailable import AWAY, cause
from db.dispatch.receipts import unmatched
from db.migrations import backfills
from db.reports import jobs
from server.auth.keys import KeySource
from server.http.responses import json
from server.process.background import DeliveryServices
from server.settings.settings import variable

RECENT: Final = timedelta(hours=24)
"""How far back `/readyz` counts receipts that belong to no delivery."""

PATIENCE: Final = 5
"""Timeout of the database in seconds; the driver would wait for minutes for an unreachable host."""

_log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""A check; returns the problem in words, or None."""


def routes(checks: Mapping[str, Check], notes: Mapping[str, Check] | None = None) -> list[Route]:
    """The two routes. `/readyz` is 200 if every check passes, else 503; its body holds each check and each note.

    A note is information for the operator. It does not make the server unready: the log stays readable.
    """

    async def alive(request: Request) -> Response:
        return json({"status": "alive"})

    async def ready(request: Request) -> Response:
        results = {name: await check() for name, check in checks.items()}
        is_ready = all(problem is None for problem in results.values())
        results |= {name: await note() for name, note in (notes or {}).items()}
        checked = {name: problem or "ready" for name, problem in results.items()}
        return json(
            {"status": "ready" if is_ready else "not ready", **checked},
            status=200 if is_ready else 503,
        )

    return [Route("/healthz", alive), Route("/readyz", ready)]


async def revision_problem(database: Database) -> str | None:
    """Why this program cannot use the database in its present state; None if it can."""
    revision, needed = await migrations.current(database), migrations.head()
    if revision == needed:
        return await _backfill_problem(database)
    at = "has no tables yet" if revision is None else f"is at revision {revision}"
    return f"The database {at}, this program needs revision {needed}: run `sentlog migrate`."


async def _backfill_problem(database: Database) -> str | None:
    for progress in await backfills.unfinished(database):
        if progress.is_needed:
            return _unfinished(progress)
    return None


def _unfinished(progress: backfills.BackfillProgress) -> str:
    return (
        f"The backfill {progress.name!r} is not finished (id {progress.done.id} of {progress.last}):"
        " run `sentlog migrate`, which goes on where it was."
    )


def database_check(database: Database) -> Check:
    """A check that the database answers and has the revision that this program needs."""

    async def check() -> str | None:
        try:
            async with asyncio.timeout(PATIENCE):
                return await revision_problem(database)
        except (*AWAY, TimeoutError) as error:
            _log.warning("database does not answer", cause=cause(error))
            return "The database does not answer."
        except SQLAlchemyError:
            _log.exception("readiness check: the database refused a statement")
            return "The database refuses what this program asks: the log says why."

    return check


def keys_check(keys: KeySource) -> Check:
    """A check that keys to verify tokens are available."""

    async def check() -> str | None:
        return None if await keys.ready() else "The keys that check sign-ins cannot be read."

    return check


def search_note(database: Database) -> Check:
    """A note on unfinished backfills: until `sentlog migrate` ends, searches may miss texts from before an upgrade."""

    async def check() -> str | None:
        try:
            async with asyncio.timeout(PATIENCE):
                unfinished = await backfills.unfinished(database)
        except (SQLAlchemyError, OSError, TimeoutError):
            return "The database does not answer."
        return next(map(_unfinished, unfinished), None)

    return check


def delivery_note(services: DeliveryServices) -> Check:
    """A note on messages without a gateway, and on missing workers."""

    async def check() -> str | None:
        try:
            async with asyncio.timeout(PATIENCE):
                modes = sorted({mode.value for _, mode in await services.modes_without_gateway()})
                has_workers = await services.has_workers()
        except (*AWAY, TimeoutError):
            return "The database does not answer."
        except SQLAlchemyError:
            _log.exception("readiness check: the database refused a statement")
            return "The database refuses what this program asks: the log says why."
        results: list[str] = []
        if modes:
            results.append(
                f"Messages wait for a gateway for {', '.join(modes)}: set {variable('gateways')}."
            )
        if not has_workers:
            results.append("No worker is running: start `sentlog worker`.")
        return " ".join(results) or None

    return check


def receipts_note(database: Database, *, clock: Callable[[], datetime]) -> Check:
    """A note on receipts of the last 24 hours that match no delivery."""

    async def check() -> str | None:
        try:
            async with asyncio.timeout(PATIENCE), database.reading() as connection:
                count = await unmatched.count_since(connection, clock() - RECENT)
        except (SQLAlchemyError, OSError):
            return "The database does not answer."
        if not count:
            return None
        return f"{count} receipts of the last 24 hours belong to no delivery: run `sentlog receipts --unmatched`."

    return check


def reports_note(database: Database, *, clock: Callable[[], datetime]) -> Check:
    """A note on reports that failed in the last 24 hours, with the reason of the last one."""

    async def check() -> str | None:
        try:
            async with asyncio.timeout(PATIENCE), database.reading() as connection:
                failed = await jobs.failures(connection, now=clock())
        except (SQLAlchemyError, OSError):
            return "The database does not answer."
        if not failed.reports:
            return None
        return f"Reports of the last 24 hours that failed: {failed.reports}. The last one: {failed.last} The log has the cause."

    return check
