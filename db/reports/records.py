"""Reports as records for viewers: the request and its state.

`db.reports.jobs` has the worker's side; `delivery.reports.source` reads the contents of a report.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, func, insert, literal, or_, select, true

from db.log.visibility import Visibility, visible
from db.reports.subjects import covers, decode
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.cursors import Term
from db.sql.key_lists import any_of, counts
from db.sql.keyset_paging import Order, Slice, slices
from db.sql.rows import RecordColumns
from db.tables.log import MESSAGE
from db.tables.operations import REPORT
from domain.paging import Page
from domain.report import (
    SAME_WITHIN,
    ReportChoice,
    ReportDetail,
    ReportDevice,
    ReportFormat,
    ReportStatus,
)


class ReportRecord(NamedTuple):
    """A report; `status` is EXPIRED from `expires_at` on, even if the file still exists."""

    id: int
    message_id: int | None
    subject: str | None
    """See `db.reports.subjects`; None: the report is on a message."""
    devices: Sequence[ReportDevice]
    detail: ReportDetail
    format: ReportFormat
    status: ReportStatus
    progress_percent: int
    requested_by_id: str
    requested_by_name: str
    requested_at: datetime
    as_of: datetime | None
    file_name: str
    file_key: str | None
    row_count: int | None
    byte_size: int | None
    sha256: str | None
    expires_at: datetime
    failure: str | None
    is_masked: bool


class ReportRequest(NamedTuple):
    """A request for a report on a message, or about a subject; `choice` has each device once, in the order of the enum."""

    message_id: int | None
    district_id: int
    choice: ReportChoice
    is_masked: bool
    time_zone: str
    file_name: str
    requested_by_id: str
    requested_by_name: str
    requested_at: datetime
    expires_at: datetime
    subject: str | None = None
    """As in `ReportRecord`."""


def newest_first(scope: str) -> Order:
    """Return the order of a message's reports: newest first."""
    terms = (
        Term("REQUESTED_AT", REPORT.c.requested_at, descending=True),
        Term("ID", REPORT.c.id, descending=True),
    )
    return Order(terms, scope=scope)


async def reports(
    connection: ReadConnection, ids: Sequence[int], *, visibility: Visibility, masks: bool
) -> Mapping[int, ReportRecord]:
    """Return the visible reports with these ids; `masks`: the viewer may not see recipients.

    One without a message is visible to viewers who see at least the schools of its requester.
    """
    of_district = and_(
        REPORT.c.message_id.is_(None), REPORT.c.district_id == visibility.district.id
    )
    statement = (
        _reading(visibility)
        .select()
        .outerjoin(MESSAGE, MESSAGE.c.id == REPORT.c.message_id)
        .where(any_of(REPORT.c.id, ids), or_(visible(visibility), of_district), _may_be_read(masks))
    )
    found = [ReportRecord(*row) for row in await connection.execute(statement)]
    return {
        report.id: report
        for report in found
        if report.subject is None or covers(visibility, decode(report.subject))
    }


async def pages_of_messages(
    connection: ReadConnection,
    message_ids: Sequence[int],
    *,
    visibility: Visibility,
    masks: bool,
    order: Order,
    page: Page,
) -> Mapping[int, Slice[ReportRecord]]:
    """Return the same page of the reports of each of these messages, which must be visible."""

    def of(message_id: Any) -> Select[Any]:
        return reading.select().where(REPORT.c.message_id == message_id, _may_be_read(masks))

    reading = _reading(visibility)
    return await slices(connection, message_ids, of=of, order=order, page=page, reading=reading)


async def counts_of_messages(
    connection: ReadConnection, message_ids: Sequence[int], *, masks: bool
) -> Mapping[int, int]:
    """Return the number of reports of each of these messages; a message without any is left out."""
    return await counts(connection, REPORT.c.message_id, message_ids, _may_be_read(masks))


async def request_report(
    connection: WriteConnection,
    request: ReportRequest,
    *,
    read_state: Callable[[ReadConnection], Awaitable[str | None]],
) -> tuple[int, bool]:
    """Return the id of the report for `request`, and whether it is new: an equal request within a minute gets the same one.

    `read_state` returns a text that differs after any change of what the report shows; requests are equal only for the same
    one. A failed report is made again at once. Call it in a `writing` transaction; two equal requests at the same time get one
    report.
    """
    if connection.dialect.name == "postgresql":  # SQLite has one writer
        lock_key = func.hashtextextended(f"reports of {request.message_id} {request.subject}", 0)
        await connection.execute(select(func.pg_advisory_xact_lock(lock_key)))
    # Read under the lock, because the state may have changed while this request waited.
    state = await read_state(connection)
    existing = await connection.scalar(
        select(REPORT.c.id)
        .where(
            REPORT.c.message_id.is_not_distinct_from(request.message_id),
            REPORT.c.subject.is_not_distinct_from(request.subject),
            REPORT.c.content_state == state,
            REPORT.c.requested_at > request.requested_at - SAME_WITHIN,
            REPORT.c.requested_by_id == request.requested_by_id,
            REPORT.c.is_masked == request.is_masked,
            REPORT.c.time_zone == request.time_zone,
            REPORT.c.devices == request.choice.devices,
            REPORT.c.detail == request.choice.detail,
            REPORT.c.format == request.choice.format,
            REPORT.c.status.in_([ReportStatus.QUEUED, ReportStatus.RENDERING, ReportStatus.READY]),
        )
        .order_by(REPORT.c.id.desc())
        .limit(1)
    )
    if existing is not None:
        return int(existing), False
    fields = request._asdict()
    choice: ReportChoice = fields.pop("choice")
    statement = insert(REPORT).values(
        **fields,
        **choice._asdict(),
        content_state=state,
        status=ReportStatus.QUEUED,
        progress_percent=0,
        attempts=0,
    )
    return int((await connection.execute(statement.returning(REPORT.c.id))).scalar_one()), True


async def message_state(connection: ReadConnection, message_id: int) -> str:
    """Return a text that differs after any change of a message: its revision."""
    revision = await connection.scalar(select(MESSAGE.c.revision).where(MESSAGE.c.id == message_id))
    return str(revision)


def _reading(visibility: Visibility) -> RecordColumns[ReportRecord]:
    status = case(
        (
            REPORT.c.expires_at <= visibility.now,
            literal(ReportStatus.EXPIRED, REPORT.c.status.type),
        ),
        else_=REPORT.c.status,
    )
    columns = {
        field: status.label("status") if field == "status" else REPORT.c[field]
        for field in ReportRecord._fields
    }
    return RecordColumns(ReportRecord, columns)


def _may_be_read(masks: bool) -> ColumnElement[bool]:
    """Return the condition that the viewer may read a report: only masked ones if `masks`."""
    return and_(true(), *([REPORT.c.is_masked] if masks else []))
