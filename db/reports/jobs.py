"""Reports as work: who makes which, how far it is, how it ended, and which have been kept long enough.

A claim is a token and a lease on the database's clock, as with deliveries: whoever lost it writes nothing more. The
functions that end with a claim say whether it still held. What a viewer sees of all this is in `db.reports.records`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.connect.notices import CHANNEL
from db.sql.clock import clock
from db.tables.log import MESSAGE
from db.tables.operations import REPORT, TO_EXPIRE, TO_MAKE
from domain.ids import Kind, spell
from domain.report import ReportDetail, ReportDevice, ReportFormat, ReportStatus


class ReportJob(NamedTuple):
    """A report that is to be made."""

    id: int
    message_id: int
    district_id: int
    devices: Sequence[ReportDevice]
    detail: ReportDetail
    format: ReportFormat
    is_masked: bool
    time_zone: str
    attempts: int
    """How often it was begun, this time among them."""


class Made(NamedTuple):
    """What came of it."""

    file_key: str
    as_of: datetime
    row_count: int
    byte_size: int
    sha256: str


class Failures(NamedTuple):
    """Reports that failed."""

    reports: int
    last: str | None
    """What the viewer of the latest one reads; null where none failed."""


async def waiting(connection: AsyncConnection, *, now: datetime, most: int) -> Sequence[int]:
    """The reports that may be begun, or given up, the oldest first."""
    statement = (
        select(REPORT.c.id)
        .where(TO_MAKE, _may_begin(connection), REPORT.c.expires_at > now)
        .order_by(REPORT.c.id)
        .limit(most)
    )
    return list(await connection.scalars(statement))


async def claim(
    connection: AsyncConnection,
    id: int,
    *,
    token: str,
    lease: timedelta,
    most_attempts: int,
    now: datetime,
) -> ReportJob | None:
    """Claim a report that waits, or whose lease has ended; None where it is not to be begun.

    What was begun `most_attempts` times is not begun again: see `give_up`.
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
        .returning(*(REPORT.c[field] for field in ReportJob._fields))
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        return None
    await _tell(connection, id)
    return ReportJob(*row)


async def people_of(connection: AsyncConnection, message_id: int) -> tuple[int, int]:
    """How many people a message has in its list, and how many of them without a device, as they are kept with it."""
    statement = select(MESSAGE.c.people, MESSAGE.c.people_without_device).where(
        MESSAGE.c.id == message_id
    )
    people, without_device = (await connection.execute(statement)).one()
    return people, without_device


async def failures(connection: AsyncConnection, *, now: datetime) -> Failures:
    """The reports that failed and whose day is not over."""
    failed = (TO_EXPIRE, REPORT.c.expires_at > now, REPORT.c.status == ReportStatus.FAILED)
    last = select(REPORT.c.failure).where(*failed).order_by(REPORT.c.id.desc()).limit(1)
    statement = select(func.count(), last.scalar_subquery()).select_from(REPORT).where(*failed)
    return Failures(*(await connection.execute(statement)).one())


async def renew(
    connection: AsyncConnection, id: int, *, token: str, lease: timedelta, percent: int
) -> bool:
    """Go on holding a claim, and say how far the report is."""
    return await _write(
        connection, id, token, progress_percent=percent, lease_until=clock(connection, after=lease)
    )


async def finish(connection: AsyncConnection, id: int, made: Made, *, token: str) -> bool:
    """The report is ready."""
    return await _write(
        connection,
        id,
        token,
        **made._asdict(),
        status=ReportStatus.READY,
        progress_percent=100,
        claim=None,
        lease_until=None,
    )


async def is_finished(connection: AsyncConnection, id: int, made: Made) -> bool:
    """Whether a report is ready with this file: it is, where the answer to the COMMIT that said so was lost."""
    statement = select(REPORT.c.id).where(REPORT.c.id == id, REPORT.c.file_key == made.file_key)
    return await connection.scalar(statement) is not None


async def put_off(connection: AsyncConnection, id: int, *, token: str, pause: timedelta) -> bool:
    """It failed, and is to be tried again after a pause."""
    return await _write(
        connection,
        id,
        token,
        status=ReportStatus.QUEUED,
        progress_percent=0,
        due_at=clock(connection, after=pause),
        claim=None,
        lease_until=None,
    )


async def give_back(connection: AsyncConnection, id: int, *, token: str) -> bool:
    """Whoever was at it has to stop: it waits again, as if it had not been begun."""
    return await _write(
        connection,
        id,
        token,
        status=ReportStatus.QUEUED,
        progress_percent=0,
        attempts=REPORT.c.attempts - 1,
        claim=None,
        lease_until=None,
    )


async def fail(connection: AsyncConnection, id: int, *, token: str, failure: str) -> bool:
    """It failed for good; `failure` is for a person."""
    return await _write(
        connection,
        id,
        token,
        status=ReportStatus.FAILED,
        failure=failure,
        claim=None,
        lease_until=None,
    )


async def give_up(
    connection: AsyncConnection, id: int, *, most_attempts: int, failure: str
) -> bool:
    """Fail what was begun so often and never ended, as its makers died; False where that is not so."""
    statement = (
        update(REPORT)
        .where(
            REPORT.c.id == id,
            TO_MAKE,
            _has_lapsed(clock(connection)),
            REPORT.c.attempts >= most_attempts,
        )
        .values(status=ReportStatus.FAILED, failure=failure, claim=None, lease_until=None)
    )
    if (await connection.execute(statement)).rowcount == 0:
        return False
    await _tell(connection, id)
    return True


async def end_leases(connection: AsyncConnection) -> int:
    """End every lease now, and how many that were: for whoever knows that nobody else works on this database."""
    statement = (
        update(REPORT).where(REPORT.c.claim.is_not(None)).values(lease_until=clock(connection))
    )
    return (await connection.execute(statement)).rowcount


async def kept_long_enough(
    connection: AsyncConnection, *, now: datetime, most: int
) -> Sequence[int]:
    """Reports whose time is over and whose files may still be there, the oldest first."""
    statement = (
        select(REPORT.c.id)
        .where(TO_EXPIRE, REPORT.c.expires_at <= now)
        .order_by(REPORT.c.expires_at)
        .limit(most)
    )
    return list(await connection.scalars(statement))


async def expire(connection: AsyncConnection, id: int) -> None:
    """The file is gone. Whoever still makes it has lost the claim."""
    await connection.execute(
        update(REPORT)
        .where(REPORT.c.id == id)
        .values(status=ReportStatus.EXPIRED, file_key=None, claim=None, lease_until=None)
    )
    await _tell(connection, id)


def _may_begin(connection: AsyncConnection) -> ColumnElement[bool]:
    present = clock(connection)
    return or_(
        and_(
            REPORT.c.status == ReportStatus.QUEUED,
            or_(REPORT.c.due_at.is_(None), REPORT.c.due_at <= present),
        ),
        _has_lapsed(present),
    )


def _has_lapsed(present: Any) -> ColumnElement[bool]:
    return and_(REPORT.c.status == ReportStatus.RENDERING, REPORT.c.lease_until <= present)


async def _write(connection: AsyncConnection, id: int, token: str, **values: Any) -> bool:
    statement = update(REPORT).where(REPORT.c.id == id, REPORT.c.claim == token).values(**values)
    if (await connection.execute(statement)).rowcount == 0:
        return False
    await _tell(connection, id)
    return True


async def _tell(connection: AsyncConnection, id: int) -> None:
    if connection.dialect.name == "postgresql":
        subject = spell(Kind.REPORT, id)
        await connection.execute(select(func.pg_notify(CHANNEL, subject)))
