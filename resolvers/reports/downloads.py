"""Decides who may download the file of a report: checks the ticket in the link, and the viewer's rights again.

`server.routes.downloads` sends the response. Each download is written into the audit before the first byte is sent.
"""

from datetime import datetime
from typing import Final, NamedTuple

from db.audit import entries
from db.audit.entries import Action, AuditEntry
from db.connect.database import Database
from db.log.districts import districts
from db.log.visibility import Visibility, visibility_of
from db.reports.records import ReportRecord, reports
from db.reports.secrets import secrets
from db.sql.connections import ReadConnection
from domain.errors import Forbidden
from domain.ids import Kind, key_of, spell
from domain.report import ReportStatus
from domain.ticket import SECRET, Ticket, read
from domain.viewer import Right, Viewer

REFUSED: Final = "This link is not good for this report, or not for you. Take a fresh one: `downloadUrl` of the report."
"""One text for all faults of a link, so that an attacker learns nothing from it."""


class Admission(NamedTuple):
    """A permitted download, and the audit entry to write when it starts."""

    report: ReportRecord
    entry: AuditEntry


async def admit(
    database: Database,
    id: str,
    *,
    ticket: str,
    viewer: Viewer | None,
    now: datetime,
    origin: str | None,
    request_id: str | None,
) -> Admission | None:
    """The report of a link; None if the viewer of its ticket may not see it any more.

    `viewer`: who is signed in, or None. A signed-in viewer must be the one of the ticket, and its present rights apply; else
    those in the ticket. Raises `Forbidden` for a ticket that is invalid, for another report or viewer, or expired while the
    report is still kept.
    """
    async with database.reading() as connection:
        key = (await secrets(connection, [SECRET]))[SECRET]
        ticket_read = read(ticket, key)
        if ticket_read is None or key_of(Kind.REPORT, id) != (ticket_read.report_id,):
            raise Forbidden(REFUSED)
        if viewer is not None and viewer.id != ticket_read.viewer_id:
            raise Forbidden(REFUSED)
        seen = await _visibility(connection, ticket_read, viewer, now=now)
        if seen is None:
            return None
        visibility, masks = seen
        ids = [ticket_read.report_id]
        report = (await reports(connection, ids, visibility=visibility, masks=masks)).get(
            ticket_read.report_id
        )
    if report is None:
        return None
    # For a report that is no longer kept, its own error is more helpful than that of the expired link.
    if ticket_read.until <= now and report.status is not ReportStatus.EXPIRED:
        raise Forbidden(REFUSED)
    entry = AuditEntry(
        now,
        visibility.district.id,
        ticket_read.viewer_id,
        Action.DOWNLOAD_REPORT,
        spell(Kind.REPORT, report.id),
        origin,
        request_id,
        viewer_name=_name(ticket_read, viewer, report),
    )
    return Admission(report, entry)


async def _visibility(
    connection: ReadConnection, ticket: Ticket, viewer: Viewer | None, *, now: datetime
) -> tuple[Visibility, bool] | None:
    """What the viewer may see, and whether it is masked; None if nothing."""
    if viewer is None:
        district = (await districts(connection, [ticket.district_id])).get(ticket.district_id)
        schools = None if ticket.school_id is None else (ticket.school_id,)
        return district and (Visibility(district, schools, now), not ticket.sees_recipients)
    visibility = await visibility_of(connection, viewer, now=now)
    if visibility is None or not viewer.may(Right.VIEW_LOG):
        return None
    return visibility, not viewer.may(Right.VIEW_RECIPIENTS)


def _name(ticket: Ticket, viewer: Viewer | None, report: ReportRecord) -> str | None:
    """The name of the viewer who downloads. The ticket has only an id, mostly that of who requested the report."""
    if viewer is not None:
        return viewer.name
    return report.requested_by_name if report.requested_by_id == ticket.viewer_id else None


async def record_download(database: Database, admission: Admission) -> None:
    """Write the audit entry of the download."""
    async with database.writing() as connection:
        await entries.write(connection, [admission.entry])
