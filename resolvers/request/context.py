"""What one request is made of: who asks, at which moment, from where, and what it has loaded.

Nothing is looked up here; see `resolvers.request.loaders`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import strawberry
from graphql import GraphQLResolveInfo
from sqlalchemy.ext.asyncio import AsyncEngine

from db.audit import entries as audit
from db.audit.entries import Action, Entry
from db.connect.engine import writing
from db.connect.single_statement import Keyed
from db.log.visibility import Visibility
from domain.errors import Forbidden
from domain.viewer import Right, Viewer
from resolvers.request.loader import Loader
from resolvers.request.loaders import Loaders
from resolvers.request.process import Backstage, nothing_behind

Look = tuple[Action, str]
"""An act, and the id of what it was done to."""


@dataclass(frozen=True, slots=True)
class Context:
    """One request: its viewer, what the viewer may see at one moment (UTC), and what is loaded."""

    engine: AsyncEngine
    viewer: Viewer
    visibility: Visibility
    loaders: Loaders
    audit: Loader[Look, None]
    """Awaited by whoever shows what the audit must know of: written once a request, all looks of a level together."""
    backstage: Backstage
    origin: str | None
    request_id: str | None
    prefix: str = ""
    """What a reverse proxy has before the paths of this server: `/sentlog`, or nothing."""
    reads: "Reads | None" = None
    """How a resolver learns what the answer shows of its records; without it, it reads them whole."""
    below: "Below | None" = None
    """How a resolver learns which other it may read for; without it, each reads for itself."""

    @property
    def now(self) -> datetime:
        return self.visibility.now

    def entry(self, action: Action, subject: str) -> Entry:
        """The line of the audit that says what this viewer does now; for whoever writes it in the transaction of the act."""
        return Entry(
            self.now,
            self.visibility.district.id,
            self.viewer.id,
            action,
            subject,
            self.origin,
            self.request_id,
            viewer_name=self.viewer.name,
        )

    async def settled(self) -> None:
        """Wait for what an operation that has failed left under way: it holds connections, and may be writing."""
        await self.loaders.settled()
        await self.audit.settled()

    async def anew(self, *, now: datetime) -> "Context":
        """A context of the same request at a later moment, with nothing loaded. Raises as `open_context`."""
        return await open_context(
            self.engine,
            self.viewer,
            now=now,
            origin=self.origin,
            request_id=self.request_id,
            prefix=self.prefix,
            backstage=self.backstage,
        )


Info = strawberry.Info[Context, None]

Reads = Callable[[GraphQLResolveInfo[Context], type], frozenset[str] | None]
"""The fields that are read of the records of a class in what stands below a field; None where any may be."""


def fields_read(info: Info, record: type) -> frozenset[str] | None:
    """The fields of `record` that the answer to this field is made of; None where any may be read."""
    reads = info.context.reads
    return None if reads is None else reads(info._raw_info, record)


Below = Callable[[GraphQLResolveInfo[Context], object, type], Sequence[frozenset[str] | None]]
"""What is read of the records of a class that a resolver gives, for each place in what stands below a field where it is asked
with no other resolver between."""


def asked_below(info: Info, resolver: object, record: type) -> tuple[bool, frozenset[str] | None]:
    """Whether `resolver` will be asked for what this field gives, and which fields of its records; all where None."""
    places = info.context.below(info._raw_info, resolver, record) if info.context.below else ()
    return (True, places[0]) if places else (False, None)


async def open_context(
    engine: AsyncEngine,
    viewer: Viewer,
    *,
    now: datetime,
    origin: str | None = None,
    request_id: str | None = None,
    prefix: str = "",
    backstage: Backstage | None = None,
) -> Context:
    """The context of a request that `viewer` makes now, in a process with nothing behind it where none is named.

    Raises `Forbidden` where the log does not know the district, or none of the schools that the viewer is limited to.
    """
    backstage = backstage or nothing_behind(engine, clock=lambda: now)
    visibility = await backstage.visibility_cache.of(engine, viewer, now=now)
    if visibility is None:
        raise Forbidden(
            f"The log has no district {viewer.district!r}, for which you are signed in. Nothing was sent there yet."
        )
    if visibility.school_ids == ():
        schools = ", ".join(sorted(viewer.schools))
        raise Forbidden(
            f"The log has none of the schools for which you are signed in: {schools}. Nothing was sent there yet."
        )
    loaders = Loaders(engine, visibility, masks=not viewer.may(Right.VIEW_RECIPIENTS))

    keyed = Keyed(engine)

    async def write(looks: list[Look]) -> list[None]:
        entries = [context.entry(*look) for look in looks]
        if len(entries) == 1 and keyed.commits:
            await keyed.write(audit.ADDED, entries[0]._asdict())
        else:
            async with writing(engine) as connection:
                await audit.write(connection, entries)
        return [None] * len(looks)

    context = Context(
        engine,
        viewer,
        visibility,
        loaders,
        Loader(write),
        backstage,
        origin,
        request_id,
        prefix,
    )
    return context
