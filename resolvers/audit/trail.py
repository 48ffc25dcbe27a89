"""The audit trail, for viewers with VIEW_AUDIT. Each reading of it adds an audit entry, before anything is returned."""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import strawberry

from db.audit.entries import Action
from db.audit.trail import AuditRecord, TrailFilter, entries, newest_first, page_of
from domain.errors import Forbidden
from domain.ids import Kind, spell
from domain.paging import page
from domain.viewer import Right
from resolvers.request import enums
from resolvers.request.arguments import DateRange, require_storable
from resolvers.request.connection import Listing
from resolvers.request.context import Info

assert enums  # makes the enumeration that the filter below names


@dataclass(frozen=True, slots=True)
class AuditListing(Listing[AuditRecord]):
    """A page of the audit."""


@strawberry.input
class AuditFilter:
    """Criteria for audit entries; all given parts must hold."""

    viewer_id: str | None = strawberry.field(default=None, description="Who, by `Viewer.id`.")
    action: Action | None = None
    subject: strawberry.ID | None = strawberry.field(
        default=None, description="The id of what was looked at or acted on."
    )
    between: DateRange | None = None


def may_read(info: Info) -> bool:
    """Whether the viewer has VIEW_AUDIT and is not limited to schools."""
    context = info.context
    return context.viewer.may(Right.VIEW_AUDIT) and context.visibility.school_ids is None


async def by_keys(info: Info, keys: Sequence[tuple[int, ...]]) -> Sequence[AuditRecord | None]:
    """The entries with these keys, in order; None if the viewer may not read them.

    Adds an audit entry before any is returned.
    """
    if not may_read(info):
        return [None] * len(keys)
    district = info.context.visibility.district
    async with info.context.database.reading() as connection:
        entries_by_key = await entries(
            connection, [key[0] for key in keys], district_id=district.id
        )
    if entries_by_key:
        await _record_reading(info)
    return [entries_by_key.get(key[0]) for key in keys]


async def _record_reading(info: Info) -> None:
    """Add an audit entry for this reading, once per request."""
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
    """The page of the district's audit for the arguments. Raises `BadUserInput` and `Forbidden`.

    An entry names no school and may concern several, so viewers with a school limit may not read any.
    """
    context = info.context
    context.viewer.require(Right.VIEW_AUDIT)
    district = context.visibility.district
    if not may_read(info):
        raise Forbidden(
            "The audit is of the whole district, and your sign-in is limited to schools. Ask somebody of the district."
        )
    wanted_page = page(first=first, after=after, last=last, before=before)
    criteria = filter or AuditFilter()
    for name, text in (("viewerId", criteria.viewer_id), ("subject", criteria.subject)):
        if text is not None:
            require_storable(text, argument=f"filter.{name}")
    days = criteria.between
    wanted = TrailFilter(
        district.id,
        criteria.viewer_id,
        criteria.action,
        criteria.subject,
        None if days is None else days.instants(ZoneInfo(district.time_zone)),
    )
    order = newest_first(wanted)
    for cursor in (after, before):
        if cursor is not None:
            order.cursors.decode(
                cursor
            )  # refuse an invalid cursor before the audit entry is written
    await _record_reading(info)
    async with context.database.reading() as connection:
        return AuditListing(order, await page_of(connection, wanted, order=order, page=wanted_page))
