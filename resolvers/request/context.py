"""The context of one request: its viewer, its time, its origin, and its loaders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import strawberry
from graphql import GraphQLField, GraphQLResolveInfo

from db.audit import entries
from db.audit.entries import Action, AuditEntry
from db.connect.database import Database
from db.log.visibility import Visibility
from domain.errors import Forbidden
from domain.viewer import Right, Viewer
from resolvers.request.loader import Loader
from resolvers.request.loaders import Loaders
from resolvers.request.process import ProcessServices, database_only

Look = tuple[Action, str]
"""An audit action, and the id of its subject."""


@dataclass(frozen=True, slots=True)
class Context:
    """One request: its viewer, what the viewer may see at one instant (UTC), and its loaders."""

    database: Database
    viewer: Viewer
    visibility: Visibility
    loaders: Loaders
    audit: Loader[Look, None]
    """Writes audit entries: once per request and subject, all of one level in one transaction. Await it before showing them."""
    process_services: ProcessServices
    origin: str | None
    request_id: str | None
    prefix: str = ""
    """The path prefix that a reverse proxy adds: `/sentlog`, or nothing."""
    reads: "Reads | None" = None
    """Looks ahead for the fields that the operation reads of records; without it, resolvers read all fields."""
    below: "Below | None" = None
    """Looks ahead for the resolvers below a field; without it, each resolver loads for itself."""

    @property
    def now(self) -> datetime:
        return self.visibility.now

    def entry(self, action: Action, subject: str) -> AuditEntry:
        """An audit entry for an act of this viewer, to be written in the transaction of the act."""
        return AuditEntry(
            self.now,
            self.visibility.district.id,
            self.viewer.id,
            action,
            subject,
            self.origin,
            self.request_id,
            viewer_name=self.viewer.name,
        )

    async def wait_until_idle(self) -> None:
        """Wait for the loaders of a failed operation: they hold connections, and may be writing."""
        await self.loaders.wait_until_idle()
        await self.audit.wait_until_idle()

    async def reopen(self, *, now: datetime) -> "Context":
        """A new context of the same request at a later instant, with nothing loaded. Raises as `open_context`."""
        return await open_context(
            self.database,
            self.viewer,
            now=now,
            origin=self.origin,
            request_id=self.request_id,
            prefix=self.prefix,
            process_services=self.process_services,
        )


Info = strawberry.Info[Context, None]

Reads = Callable[[GraphQLResolveInfo[Context], type], frozenset[str] | None]
"""The fields of records of a class that are read below a field; None if any may be."""


def fields_read(info: Info, record: type) -> frozenset[str] | None:
    """The fields of `record` that are read below this field; None if any may be."""
    reads = info.context.reads
    return None if reads is None else reads(info._raw_info, record)


Below = Callable[[GraphQLResolveInfo[Context], object, type], Sequence[frozenset[str] | None]]
"""The fields of the records of a resolver that are read, for each place below a field where it occurs without another
resolver in between."""


def fields_read_below(
    info: Info, resolver: object, record: type
) -> tuple[bool, frozenset[str] | None]:
    """Whether `resolver` is called below this field, and the fields of its records that are read; None for all."""
    places = info.context.below(info._raw_info, resolver, record) if info.context.below else ()
    return (True, places[0]) if places else (False, None)


def query_field(info: Info, name: str) -> GraphQLField:
    """The field `name` of the queries, with the types of its arguments."""
    query = info._raw_info.schema.query_type
    assert query is not None, "the schema has no queries"
    field: GraphQLField = query.fields[name]
    return field


async def open_context(
    database: Database,
    viewer: Viewer,
    *,
    now: datetime,
    origin: str | None = None,
    request_id: str | None = None,
    prefix: str = "",
    process_services: ProcessServices | None = None,
) -> Context:
    """The context of a new request of `viewer`; without `process_services`, in a process that has no gateways and no runner.

    Raises `Forbidden` if the log has neither the district nor any of the schools that the viewer is limited to.
    """
    process_services = process_services or database_only(database, clock=lambda: now)
    visibility = await process_services.visibility_cache.of(database, viewer, now=now)
    if visibility is None:
        raise Forbidden(
            f"The log has no district {viewer.district!r}, for which you are signed in. Nothing was sent there yet."
        )
    if visibility.school_ids == ():
        schools = ", ".join(sorted(viewer.schools))
        raise Forbidden(
            f"The log has none of the schools for which you are signed in: {schools}. Nothing was sent there yet."
        )
    loaders = Loaders(database, visibility, masks=not viewer.may(Right.VIEW_RECIPIENTS))

    async def write(looks: list[Look]) -> list[None]:
        records = [context.entry(*look) for look in looks]
        if len(records) == 1:
            await database.write_row(entries.ADDED, records[0]._asdict())
        else:
            async with database.writing() as connection:
                await entries.write(connection, records)
        return [None] * len(looks)

    context = Context(
        database,
        viewer,
        visibility,
        loaders,
        Loader(write),
        process_services,
        origin,
        request_id,
        prefix,
    )
    return context
