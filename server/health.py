"""`/healthz` and `/readyz`: whether this process lives, and whether it can answer."""

from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db import migrations
from server.answers import json
from server.keys import Keys

Check = Callable[[], Awaitable[str | None]]
"""What stands in the way, in words; None where nothing does."""


def routes(checks: Mapping[str, Check]) -> list[Route]:
    """The two routes. Ready is 200 when every check passes, else 503; both say what each check found."""

    async def alive(request: Request) -> Response:
        return json({"status": "alive"})

    async def ready(request: Request) -> Response:
        found = {name: await check() for name, check in checks.items()}
        is_ready = all(problem is None for problem in found.values())
        checked = {name: problem or "ready" for name, problem in found.items()}
        return json(
            {"status": "ready" if is_ready else "not ready", **checked},
            status=200 if is_ready else 503,
        )

    return [Route("/healthz", alive), Route("/readyz", ready)]


def database_check(engine: AsyncEngine) -> Check:
    """Whether the database answers, and has the tables that this program knows."""

    async def check() -> str | None:
        try:
            stands = await migrations.current(engine)
        except (SQLAlchemyError, OSError):
            return "the database does not answer"
        wanted = migrations.head()
        if stands == wanted:
            return None
        return f"the database stands at revision {stands}, this program needs {wanted}: run `sentlog migrate`"

    return check


def keys_check(keys: Keys) -> Check:
    """Whether tokens can be checked."""

    async def check() -> str | None:
        return None if await keys.ready() else "the keys that check sign-ins cannot be read"

    return check
