"""Resolves the viewer, its district and schools, the call status codes, and objects by id."""

from collections.abc import Sequence
from typing import Final

import strawberry

from db.log.districts import DistrictRecord, SchoolRecord, schools_of
from db.log.messages import MessageRecord
from domain.call_status import CALL_STATUSES, CallStatus
from domain.errors import BadUserInput
from domain.ids import Kind, Reference, read
from domain.viewer import Right, Viewer
from resolvers import deliveries, recipients
from resolvers.addresses import addresses
from resolvers.audit import trail
from resolvers.people import persons
from resolvers.reports import reports
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.context import Info

MOST_NODES: Final = 100


def viewer(info: Info) -> Viewer:
    """The signed-in viewer."""
    return info.context.viewer


@BatchResolver
async def district(root: Sequence[object], info: Info) -> Sequence[DistrictRecord]:
    """The viewer's district."""
    return [info.context.visibility.district] * len(root)


async def schools(info: Info) -> Sequence[SchoolRecord]:
    """The schools whose messages the viewer may see, by name."""
    async with info.context.database.reading() as connection:
        rows = await schools_of(connection, info.context.visibility.district.id)
    return [school for school in rows if info.context.visibility.shows(school)]


async def schools_of_viewer(info: Info) -> Sequence[SchoolRecord]:
    """The schools to which the viewer is limited; empty without a limit."""
    return [] if info.context.visibility.school_ids is None else await schools(info)


def call_statuses() -> Sequence[CallStatus]:
    """All call status codes."""
    return list(CALL_STATUSES.values())


async def node(info: Info, id: strawberry.ID) -> object | None:
    """The object with this id, if the viewer may see it."""
    return (await nodes(info, [id]))[0]


async def nodes(info: Info, ids: list[strawberry.ID]) -> Sequence[object | None]:
    """The objects with these ids, in order; None if there is none that the viewer may see."""
    if len(ids) > MOST_NODES:
        raise BadUserInput(f"{len(ids)} ids were asked for. Ask for at most {MOST_NODES} at once.")
    references = [read(id) for id in ids]
    # Reading audit entries needs VIEW_AUDIT, not VIEW_LOG.
    kinds = {None if reference is None else reference.kind for reference in references}
    if kinds != {Kind.AUDIT_ENTRY} or not trail.may_read(info):
        info.context.viewer.require(Right.VIEW_LOG)
    by_reference: dict[Reference, object | None] = {}
    for kind, fetch in _BY_KIND.items():
        wanted = list(dict.fromkeys(r for r in references if r is not None and r.kind is kind))
        if wanted:
            things = await fetch(info, [reference.key for reference in wanted])
            by_reference.update(zip(wanted, things, strict=True))
    return [None if reference is None else by_reference.get(reference) for reference in references]


async def _districts(
    info: Info, keys: Sequence[tuple[int, ...]]
) -> Sequence[DistrictRecord | None]:
    own = info.context.visibility.district
    return [own if key[0] == own.id else None for key in keys]


async def _schools(info: Info, keys: Sequence[tuple[int, ...]]) -> Sequence[SchoolRecord | None]:
    rows = await info.context.loaders.school.load_many([key[0] for key in keys])
    return [
        school if school is not None and info.context.visibility.shows(school) else None
        for school in rows
    ]


async def _messages(info: Info, keys: Sequence[tuple[int, ...]]) -> Sequence[MessageRecord | None]:
    return await info.context.loaders.message.load_many([key[0] for key in keys])


_BY_KIND: Final = {
    Kind.DISTRICT: _districts,
    Kind.SCHOOL: _schools,
    Kind.MESSAGE: _messages,
    Kind.PERSON: persons.contacts_by_keys,
    Kind.STUDENT: persons.students_by_keys,
    Kind.RECIPIENT: recipients.by_keys,
    Kind.DELIVERY: deliveries.by_keys,
    Kind.REPORT: reports.by_keys,
    Kind.AUDIT_ENTRY: trail.by_keys,
    Kind.ADDRESS: addresses.by_keys,
}
