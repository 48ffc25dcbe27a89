"""What goes on behind all requests of one process, as far as a request sets it going or waits for it.

What a request itself is made of is in `resolvers.request.context`.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.connect.notices import Notices
from delivery.dispatch.runtime import Runtime
from delivery.reports.jobs import PrintJob
from delivery.upkeep.background_tasks import Errands
from resolvers.request.visibility_cache import VisibilityCache


class Announce(Protocol):
    """Have work looked for as soon as a transaction has committed: it has made some (`delivery.runners.base`). A hint."""

    async def __call__(self, connection: AsyncConnection, job: PrintJob | None = None) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backstage:
    """One process: its ways to the providers, its runner, its errands, what it hears of changes, and whose district it knows."""

    runtime: Runtime
    announce: Announce
    notices: Notices
    errands: Errands
    visibility_cache: VisibilityCache = field(default_factory=VisibilityCache)


async def to_nobody(connection: AsyncConnection, job: PrintJob | None = None) -> None:
    """Announce nothing: the next round of whoever works on this database finds what there is to do."""


def nothing_behind(engine: AsyncEngine, *, clock: Callable[[], datetime]) -> Backstage:
    """A process that only reads and writes its database: it knows no provider, and has no runner to tell."""
    runtime = Runtime(engine=engine, gateways={}, clock=clock, chance=random.random)
    return Backstage(
        runtime=runtime, announce=to_nobody, notices=Notices(engine), errands=Errands()
    )
