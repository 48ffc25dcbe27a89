"""`/healthz` and `/readyz`: whether this process lives, and whether it can answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db import migrations
from db.connect.engine import reading
from db.connect.unavailable import AWAY, cause
from db.migrations import backfills
from db.receipts import unmatched
from db.reports import jobs
from server.auth.keys import Keys
from server.http.responses import json
from server.process.background import Works
from server.settings.settings import variable

RECENT: Final = timedelta(hours=24)
"""How far back `/readyz` counts receipts that belong to no delivery."""

PATIENCE: Final = 5
"""Seconds in which the database has to answer: a host that is gone would otherwise keep whoever asks for minutes."""

_log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""What stands in the way, in words; None where nothing does."""


def routes(checks: Mapping[str, Check], notes: Mapping[str, Check] | None = None) -> list[Route]:
    """The two routes. Ready is 200 when every check passes, else 503; both say what each check found, and each note.

    A note is for whoever runs the log. It takes no server out of service: the log can be read all the same.
    """

    async def alive(request: Request) -> Response:
        return json({"status": "alive"})

    async def ready(request: Request) -> Response:
        found = {name: await check() for name, check in checks.items()}
        is_ready = all(problem is None for problem in found.values())
        found |= {name: await note() for name, note in (notes or {}).items()}
        checked = {name: problem or "ready" for name, problem in found.items()}
        return json(
            {"status": "ready" if is_ready else "not ready", **checked},
            status=200 if is_ready else 503,
        )

    return [Route("/healthz", alive), Route("/readyz", ready)]


async def revision_problem(engine: AsyncEngine) -> str | None:
    """Why this program cannot work with the database as it stands; None where it can."""
    stands, wanted = await migrations.current(engine), migrations.head()
    if stands == wanted:
        return await _backfill_problem(engine)
    at = "has no tables yet" if stands is None else f"stands at revision {stands}"
    return f"The database {at}, this program needs revision {wanted}: run `sentlog migrate`."


async def _backfill_problem(engine: AsyncEngine) -> str | None:
    for progress in await backfills.unfinished(engine):
        if progress.is_needed:
            return _unfinished(progress)
    return None


def _unfinished(progress: backfills.Progress) -> str:
    return (
        f"The backfill {progress.name!r} is not finished (id {progress.done.id} of {progress.last}):"
        " run `sentlog migrate`, which goes on where it was."
    )


def database_check(engine: AsyncEngine) -> Check:
    """Whether the database answers, and has the tables that this program knows."""

    async def check() -> str | None:
        try:
            async with asyncio.timeout(PATIENCE):
                return await revision_problem(engine)
        except (*AWAY, TimeoutError) as error:
            _log.warning("the database does not answer", reason=cause(error))
            return "The database does not answer."
        except SQLAlchemyError:
            _log.exception("the database refuses a statement of the readiness check")
            return "The database refuses what this program asks: the log says why."

    return check


def keys_check(keys: Keys) -> Check:
    """Whether tokens can be checked."""

    async def check() -> str | None:
        return None if await keys.ready() else "The keys that check sign-ins cannot be read."

    return check


def search_note(engine: AsyncEngine) -> Check:
    """Whether searches find all: texts that came in before an upgrade are found by old keys until `sentlog migrate` ends."""

    async def check() -> str | None:
        try:
            async with asyncio.timeout(PATIENCE):
                unfinished = await backfills.unfinished(engine)
        except (SQLAlchemyError, OSError, TimeoutError):
            return "The database does not answer."
        return next(map(_unfinished, unfinished), None)

    return check


def delivery_note(works: Works) -> Check:
    """Whether what waits to be handed over has a gateway, and somebody to do it."""

    async def check() -> str | None:
        try:
            async with asyncio.timeout(PATIENCE):
                modes = sorted({mode.value for _, mode in await works.modes_without_gateway()})
                has_workers = await works.has_workers()
        except (*AWAY, TimeoutError):
            return "The database does not answer."
        except SQLAlchemyError:
            _log.exception("the database refuses a statement of the readiness check")
            return "The database refuses what this program asks: the log says why."
        found: list[str] = []
        if modes:
            found.append(
                f"Messages wait for a gateway for {', '.join(modes)}: set {variable('gateways')}."
            )
        if not has_workers:
            found.append("Nobody hands messages over: start `sentlog worker`.")
        return " ".join(found) or None

    return check


def receipts_note(engine: AsyncEngine, *, clock: Callable[[], datetime]) -> Check:
    """Whether providers reported, of late, on what the log has no delivery for."""

    async def check() -> str | None:
        try:
            async with asyncio.timeout(PATIENCE), reading(engine) as connection:
                count = await unmatched.count_since(connection, clock() - RECENT)
        except (SQLAlchemyError, OSError):
            return "The database does not answer."
        if not count:
            return None
        return f"{count} receipts of the last 24 hours belong to no delivery: run `sentlog receipts --unmatched`."

    return check


def reports_note(engine: AsyncEngine, *, clock: Callable[[], datetime]) -> Check:
    """Whether reports failed of late, and why the last one did."""

    async def check() -> str | None:
        try:
            async with asyncio.timeout(PATIENCE), reading(engine) as connection:
                failed = await jobs.failures(connection, now=clock())
        except (SQLAlchemyError, OSError):
            return "The database does not answer."
        if not failed.reports:
            return None
        return f"Reports of the last 24 hours that failed: {failed.reports}. The last one: {failed.last} The log has the cause."

    return check
