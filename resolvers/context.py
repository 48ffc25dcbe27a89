"""What one request is made of: who asks, at which moment, from where, and what it has loaded.

Nothing is looked up here; see `resolvers.loaders`.
"""

from dataclasses import dataclass
from datetime import datetime

import strawberry
from aiodataloader import DataLoader
from sqlalchemy.ext.asyncio import AsyncEngine

from db import audit
from db.engine import reading, writing
from db.sight import Sight, sight_of
from domain.errors import Forbidden
from domain.viewer import Right, Viewer
from resolvers.loaders import Loaders

Look = tuple[audit.Action, str]
"""An act, and the id of what it was done to."""


@dataclass(frozen=True, slots=True)
class Context:
    """One request: its viewer, what the viewer may see at one moment (UTC), and what is loaded."""

    engine: AsyncEngine
    viewer: Viewer
    sight: Sight
    loaders: Loaders
    audit: DataLoader[Look, None]
    """Awaited by whoever shows what the audit must know of: written once a request, all looks of a level together."""

    @property
    def now(self) -> datetime:
        return self.sight.now


Info = strawberry.Info[Context, None]


async def open_context(
    engine: AsyncEngine,
    viewer: Viewer,
    *,
    now: datetime,
    origin: str | None = None,
    request_id: str | None = None,
) -> Context:
    """The context of a request that `viewer` makes now. Raises `Forbidden` where the log does not know the district."""
    async with reading(engine) as connection:
        sight = await sight_of(connection, viewer, now=now)
    if sight is None:
        raise Forbidden(
            f"The log has no district {viewer.district!r}, for which you are signed in. Nothing was sent there yet."
        )
    loaders = Loaders(engine, sight, masks=not viewer.may(Right.VIEW_RECIPIENTS))

    async def write(looks: list[Look]) -> list[None]:
        entries = [
            audit.Entry(now, sight.district.id, viewer.id, action, subject, origin, request_id)
            for action, subject in looks
        ]
        async with writing(engine) as connection:
            await audit.write(connection, entries)
        return [None] * len(looks)

    return Context(engine, viewer, sight, loaders, DataLoader(write))
