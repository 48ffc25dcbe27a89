"""Who looked or acted, for those who may know. Reading that is itself written down, before anything is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import strawberry

from db.audit import trail as rows
from db.audit.entries import Action
from db.audit.trail import AuditRecord, Wanted
from db.connect.engine import reading
from domain.errors import Forbidden
from domain.ids import Kind, spell
from domain.paging import page
from domain.viewer import Right
from resolvers.request import enums
from resolvers.request.connection import Listing
from resolvers.request.context import Info
from resolvers.request.days import DateRange
from resolvers.request.typed import storable

assert enums  # makes the enumeration that the filter below names


@dataclass(frozen=True, slots=True)
class AuditListing(Listing[AuditRecord]):
    """A page of the audit."""


@strawberry.input
class AuditFilter:
    """Which looks and acts: all parts that are given have to fit."""

    viewer_id: str | None = strawberry.field(default=None, description="Who, by `Viewer.id`.")
    action: Action | None = None
    subject: strawberry.ID | None = strawberry.field(
        default=None, description="The id of what was looked at or acted on."
    )
    between: DateRange | None = None


def may_read(info: Info) -> bool:
    """Whether the viewer may read the audit: it has the right, and is not limited to schools."""
    context = info.context
    return context.viewer.may(Right.VIEW_AUDIT) and context.visibility.school_ids is None


async def by_keys(info: Info, keys: Sequence[tuple[int, ...]]) -> Sequence[AuditRecord | None]:
    """The entries with these keys, in the order of the keys; None where there is none that the viewer may read.

    Reading some is itself written down, before anything is shown.
    """
    if not may_read(info):
        return [None] * len(keys)
    district = info.context.visibility.district
    async with reading(info.context.engine) as connection:
        found = await rows.entries(connection, [key[0] for key in keys], district_id=district.id)
    if found:
        await _write_down(info)
    return [found.get(key[0]) for key in keys]


async def _write_down(info: Info) -> None:
    """Add this look at the audit to the audit, once a request."""
    context = info.context
    subject = spell(Kind.DISTRICT, context.visibility.district.id)
    await context.audit.load((Action.OPEN_AUDIT, subject))


async def trail(
    info: Info,
    *,
    filter: AuditFilter | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> AuditListing:
    """The page of the district's audit that the arguments ask for. Raises `BadUserInput` and `Forbidden`.

    An entry names no school, and may be about several: who is limited to schools gets none.
    """
    context = info.context
    context.viewer.require(Right.VIEW_AUDIT)
    district = context.visibility.district
    if not may_read(info):
        raise Forbidden(
            "The audit is of the whole district, and your sign-in is limited to schools. Ask somebody of the district."
        )
    asked_page = page(first=first, after=after, last=last, before=before)
    asked = filter or AuditFilter()
    for name, text in (("viewerId", asked.viewer_id), ("subject", asked.subject)):
        if text is not None:
            storable(text, argument=f"filter.{name}")
    days = asked.between
    wanted = Wanted(
        district.id,
        asked.viewer_id,
        asked.action,
        asked.subject,
        None if days is None else days.instants(ZoneInfo(district.time_zone)),
    )
    order = rows.newest_first(wanted)
    for cursor in (after, before):
        if cursor is not None:
            order.key(cursor)  # what is refused shows nothing, and is not written down
    await _write_down(info)
    async with reading(context.engine) as connection:
        return AuditListing(
            order, await rows.page_of(connection, wanted, order=order, page=asked_page)
        )
