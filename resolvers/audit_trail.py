"""Who looked or acted, for those who may know. Reading that is itself written down, before anything is shown."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import strawberry

from db import audit_trail as rows
from db.audit import Action
from db.audit_trail import AuditRecord, Wanted
from db.engine import reading
from domain.errors import Forbidden
from domain.ids import Kind, spell
from domain.paging import page
from domain.viewer import Right
from resolvers import enums
from resolvers.context import Info
from resolvers.days import DateRange
from resolvers.listing import Listing
from resolvers.typed import storable

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
    district = context.sight.district
    if context.sight.school_ids is not None:
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
    await context.audit.load((Action.OPEN_AUDIT, spell(Kind.DISTRICT, district.id)))
    async with reading(context.engine) as connection:
        return AuditListing(
            order, await rows.page_of(connection, wanted, order=order, page=asked_page)
        )
