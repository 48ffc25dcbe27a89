"""Reports as jobs: claims, progress, results, retries and expiry.

A claim is a token and a lease on the database's clock, as for deliveries: a process that lost it writes nothing more.
Functions with a token return whether the claim still held. `db.reports.records` has the viewer's side.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from db.connect.notices import notify
from db.sql.clock import clock
from db.sql.connections import ReadConnection, WriteConnection
from db.tables.log import MESSAGE
from db.tables.operations import REPORT, TO_EXPIRE, TO_MAKE
from domain.ids import Kind, spell
from domain.report import ReportDetail, ReportDevice, ReportFormat, ReportStatus

_RELEASED: Final[Mapping[str, Any]] = {"claim": None, "lease_until": None}
_QUEUED: Final[Mapping[str, Any]] = {
    **_RELEASED,
    "status": ReportStatus.QUEUED,
    "progress_percent": 0,
}


class ReportJob(NamedTuple):
    """A report to make, on a message or about a subject."""

    id: int
    message_id: int | None
    district_id: int
    devices: Sequence[ReportDevice]
    detail: ReportDetail
    format: ReportFormat
    is_masked: bool
    time_zone: str
    requested_by_name: str
    attempts: int
    """The number of attempts, including this one."""
    subject: str | None = None
    """See `db.reports.subjects`; None: the report is on a message."""


class MadeReport(NamedTuple):
    """The result of a report job: its file and figures."""

    file_key: str
    as_of: datetime
    row_count: int
    byte_size: int
    sha256: str


class Failures(NamedTuple):
    """The number of failed reports, and the last failure."""

    reports: int
    last: str | None
    """The failure text of the latest one; None if none failed."""


async def waiting(connection: ReadConnection, *, now: datetime, most: int) -> Sequence[int]:
    """Return the reports that may be started or given up, the oldest first."""
    statement = (
        select(REPORT.c.id)
        .where(TO_MAKE, _may_begin(connection), REPORT.c.expires_at > now)
        .order_by(REPORT.c.id)
        .limit(most)
    )
    return list(await connection.scalars(statement))


async def claim(
    connection: WriteConnection,
    id: int,
    *,
    token: str,
    lease: timedelta,
    most_attempts: int,
    now: datetime,
) -> ReportJob | None:
    """Claim a queued report, or one whose lease has ended; return None if it must not be started.

    A report with `most_attempts` attempts is not started again: see `give_up`.
    """
    statement = (
        update(REPORT)
        .where(
            REPORT.c.id == id,
            TO_MAKE,
            _may_begin(connection),
            REPORT.c.expires_at > now,
            REPORT.c.attempts < most_attempts,
        )
        .values(
            status=ReportStatus.RENDERING,
            attempts=REPORT.c.attempts + 1,
            progress_percent=0,
            due_at=None,
            claim=token,
            lease_until=clock(connection, after=lease),
        )
        .returning(*REPORT.c[ReportJob._fields])
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        return None
    await notify(connection, spell(Kind.REPORT, id))
    return ReportJob(*row)


async def people_of(connection: ReadConnection, message_id: int) -> tuple[int, int]:
    """Return the counters of a message: people in its list, and those without a device."""
    statement = select(MESSAGE.c.people, MESSAGE.c.people_without_device).where(
        MESSAGE.c.id == message_id
    )
    people, without_device = (await connection.execute(statement)).one()
    return people, without_device


async def failures(connection: ReadConnection, *, now: datetime) -> Failures:
    """Return the failed reports that have not expired."""
    failed = (TO_EXPIRE, REPORT.c.expires_at > now, REPORT.c.status == ReportStatus.FAILED)
    last = select(REPORT.c.failure).where(*failed).order_by(REPORT.c.id.desc()).limit(1)
    statement = select(func.count(), last.scalar_subquery()).select_from(REPORT).where(*failed)
    return Failures(*(await connection.execute(statement)).one())


async def renew(
    connection: WriteConnection, id: int, *, token: str, lease: timedelta, percent: int
) -> bool:
    """Renew a claim, and set the progress of the report."""
    return await _write(
        connection, id, token, progress_percent=percent, lease_until=clock(connection, after=lease)
    )


async def finish(connection: WriteConnection, id: int, made: MadeReport, *, token: str) -> bool:
    """Mark the report as ready."""
    return await _write(
        connection,
        id,
        token,
        **made._asdict(),
        **_RELEASED,
        status=ReportStatus.READY,
        progress_percent=100,
    )


async def is_finished(connection: ReadConnection, id: int, made: MadeReport) -> bool:
    """Return whether a report is ready with this file, in case the answer to the COMMIT of `finish` was lost."""
    statement = select(REPORT.c.id).where(REPORT.c.id == id, REPORT.c.file_key == made.file_key)
    return await connection.scalar(statement) is not None


async def put_off(connection: WriteConnection, id: int, *, token: str, pause: timedelta) -> bool:
    """Queue a failed report again for a retry after a pause."""
    return await _write(connection, id, token, **_QUEUED, due_at=clock(connection, after=pause))


async def give_back(connection: WriteConnection, id: int, *, token: str) -> bool:
    """Queue a report again without counting the attempt, because the process that makes it has to stop."""
    return await _write(connection, id, token, **_QUEUED, attempts=REPORT.c.attempts - 1)


async def fail(connection: WriteConnection, id: int, *, token: str, failure: str) -> bool:
    """Mark the report as failed for good; `failure` is the text for its viewer."""
    return await _write(
        connection, id, token, **_RELEASED, status=ReportStatus.FAILED, failure=failure
    )


async def give_up(
    connection: WriteConnection, id: int, *, most_attempts: int, failure: str
) -> bool:
    """Mark a report as failed if its lease ended and it had `most_attempts` attempts; return whether it did."""
    statement = (
        update(REPORT)
        .where(
            REPORT.c.id == id,
            TO_MAKE,
            _has_lapsed(clock(connection)),
            REPORT.c.attempts >= most_attempts,
        )
        .values(**_RELEASED, status=ReportStatus.FAILED, failure=failure)
    )
    if (await connection.execute(statement)).rowcount == 0:
        return False
    await notify(connection, spell(Kind.REPORT, id))
    return True


async def end_leases(connection: WriteConnection) -> int:
    """End every lease now and return how many. Only for a caller that is the only process working on reports."""
    statement = (
        update(REPORT).where(REPORT.c.claim.is_not(None)).values(lease_until=clock(connection))
    )
    return (await connection.execute(statement)).rowcount


async def kept_long_enough(
    connection: ReadConnection, *, now: datetime, most: int
) -> Sequence[int]:
    """Return expired reports whose files may still exist, the oldest first."""
    statement = (
        select(REPORT.c.id)
        .where(TO_EXPIRE, REPORT.c.expires_at <= now)
        .order_by(REPORT.c.expires_at)
        .limit(most)
    )
    return list(await connection.scalars(statement))


async def expire(connection: WriteConnection, id: int) -> None:
    """Mark a report as expired after its file was deleted; a process that still makes it loses the claim."""
    await connection.execute(
        update(REPORT)
        .where(REPORT.c.id == id)
        .values(**_RELEASED, status=ReportStatus.EXPIRED, file_key=None)
    )
    await notify(connection, spell(Kind.REPORT, id))


def _may_begin(connection: ReadConnection) -> ColumnElement[bool]:
    now = clock(connection)
    return or_(
        and_(
            REPORT.c.status == ReportStatus.QUEUED,
            or_(REPORT.c.due_at.is_(None), REPORT.c.due_at <= now),
        ),
        _has_lapsed(now),
    )


def _has_lapsed(now: Any) -> ColumnElement[bool]:
    return and_(REPORT.c.status == ReportStatus.RENDERING, REPORT.c.lease_until <= now)


async def _write(connection: WriteConnection, id: int, token: str, **values: Any) -> bool:
    statement = update(REPORT).where(REPORT.c.id == id, REPORT.c.claim == token).values(**values)
    if (await connection.execute(statement)).rowcount == 0:
        return False
    await notify(connection, spell(Kind.REPORT, id))
    return True
