"""Who is let to the file of a report: the ticket in the link, and the viewer's rights once more.

What the answer looks like is the server's business. Each download is written into the audit before a byte of it leaves.
"""

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.audit import entries
from db.audit.entries import Action, Entry
from db.connect.engine import reading, writing
from db.log.districts import districts
from db.log.visibility import Visibility, visibility_of
from db.reports.records import ReportRecord, reports
from db.reports.secrets import secrets
from domain.errors import Forbidden
from domain.ids import Kind, key_of, spell
from domain.report import ReportStatus
from domain.ticket import SECRET, Ticket, read
from domain.viewer import Right, Viewer

REFUSED: Final = "This link is not good for this report, or not for you. Take a fresh one: `downloadUrl` of the report."
"""One text for all that is wrong with a link: whoever tries links learns nothing."""


class Admission(NamedTuple):
    """A viewer in front of a report, and what the audit has to know if the file leaves."""

    report: ReportRecord
    entry: Entry


async def admit(
    engine: AsyncEngine,
    id: str,
    *,
    ticket: str,
    viewer: Viewer | None,
    now: datetime,
    origin: str | None,
    request_id: str | None,
) -> Admission | None:
    """The report behind a link; None where the viewer of its ticket may not see it, or no more.

    `viewer` is who is signed in beside the link, if anybody: then it has to be the one of the ticket, and its present rights
    count; otherwise those that the ticket was signed with. Raises `Forbidden` for a ticket that is not ours, or of another
    report or viewer, or has run out while the report is still kept.
    """
    async with reading(engine) as connection:
        key = (await secrets(connection, [SECRET]))[SECRET]
        known = read(ticket, key)
        if known is None or key_of(Kind.REPORT, id) != (known.report_id,):
            raise Forbidden(REFUSED)
        if viewer is not None and viewer.id != known.viewer_id:
            raise Forbidden(REFUSED)
        seen = await _visibility(connection, known, viewer, now=now)
        if seen is None:
            return None
        visibility, masks = seen
        ids = [known.report_id]
        report = (await reports(connection, ids, visibility=visibility, masks=masks)).get(
            known.report_id
        )
    if report is None:
        return None
    # Of a report that is no longer kept its own answer says more than that the link has run out with it.
    if known.until <= now and report.status is not ReportStatus.EXPIRED:
        raise Forbidden(REFUSED)
    entry = Entry(
        now,
        visibility.district.id,
        known.viewer_id,
        Action.DOWNLOAD_REPORT,
        spell(Kind.REPORT, report.id),
        origin,
        request_id,
        viewer_name=_name(known, viewer, report),
    )
    return Admission(report, entry)


async def _visibility(
    connection: AsyncConnection, ticket: Ticket, viewer: Viewer | None, *, now: datetime
) -> tuple[Visibility, bool] | None:
    """What may be seen, and whether masked."""
    if viewer is None:
        district = (await districts(connection, [ticket.district_id])).get(ticket.district_id)
        schools = None if ticket.school_id is None else (ticket.school_id,)
        return district and (Visibility(district, schools, now), not ticket.sees_recipients)
    visibility = await visibility_of(connection, viewer, now=now)
    if visibility is None or not viewer.may(Right.VIEW_LOG):
        return None
    return visibility, not viewer.may(Right.VIEW_RECIPIENTS)


def _name(ticket: Ticket, viewer: Viewer | None, report: ReportRecord) -> str | None:
    """The name of who downloads. A link carries an id alone, but most are followed by who requested the report."""
    if viewer is not None:
        return viewer.name
    return report.requested_by_name if report.requested_by_id == ticket.viewer_id else None


async def note(engine: AsyncEngine, admission: Admission) -> None:
    """Write into the audit that the file leaves."""
    async with writing(engine) as connection:
        await entries.write(connection, [admission.entry])
