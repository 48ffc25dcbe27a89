"""The services of a process that requests use: the runtime of deliveries, announcements, notices, background tasks."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from db.connect.database import Database
from db.connect.notices import Notices
from db.sql.connections import WriteConnection
from delivery.dispatch.runtime import Runtime
from delivery.reports.jobs import RenderJob
from delivery.upkeep.background_tasks import BackgroundTasks
from resolvers.request.visibility_cache import VisibilityCache


class Announce(Protocol):
    """Announces to runners that a transaction has created work, once it commits (`delivery.runners.base`). Only a hint."""

    async def __call__(self, connection: WriteConnection, job: RenderJob | None = None) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessServices:
    """The services of one process."""

    runtime: Runtime
    announce: Announce
    notices: Notices
    background_tasks: BackgroundTasks
    visibility_cache: VisibilityCache = field(default_factory=VisibilityCache)


async def announce_nothing(connection: WriteConnection, job: RenderJob | None = None) -> None:
    """Announce nothing; runners find the work in their next round."""


def database_only(database: Database, *, clock: Callable[[], datetime]) -> ProcessServices:
    """The services of a process without gateways and runner, which only uses its database."""
    runtime = Runtime(database=database, gateways={}, clock=clock, chance=random.random)
    return ProcessServices(
        runtime=runtime,
        announce=announce_nothing,
        notices=Notices(database),
        background_tasks=BackgroundTasks(),
    )
