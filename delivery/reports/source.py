"""Read a report from the database: one snapshot of a message, in pages.

`renderers.contents` defines the parts of a report, and `domain.report` its rows.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from db.connect.database import Database
from db.log import counters as message_counters
from db.log import deliveries, districts, messages, recipients
from db.log.counters import Counters
from db.log.deliveries import DeliveryRecord
from db.log.messages import ContentRecord
from db.log.recipients import RecipientFilter, RecipientOutcome, RecipientRecord
from db.log.visibility import Visibility
from db.reports import jobs
from db.reports import marks as report_marks
from db.reports.jobs import ReportJob
from db.sql.connections import ReadConnection
from db.sql.keyset_paging import Slice
from delivery.reports.failures import Purged
from domain.counting import figures
from domain.masking import MASK, mask, mask_values
from domain.message import BodyFormat
from domain.paging import Page
from domain.report import RowRule, row_rule, rows_expected, rows_of_recipient
from renderers.contents.delivery_rows import DetailRow
from renderers.contents.message_report import MessageReport, ReportCancellation, ReportContent
from renderers.document import ReportDocument

PAGE: Final = 500
"""Recipients of one page."""


async def expected_rows(connection: ReadConnection, job: ReportJob) -> int:
    """Return how many rows a report will have, from the counters of its message, without counting rows."""
    counters = (await message_counters.of_messages(connection, [job.message_id])).get(
        job.message_id
    )
    people, without_device = await jobs.people_of(connection, job.message_id)
    return rows_expected(
        row_rule(job.devices, job.detail),
        () if counters is None else counters.tallies,
        people=people,
        without_device=without_device,
    )


class ReportReader:
    """A report that is being read. A renderer uses `report` in another thread than the event loop's."""

    def __init__(self) -> None:
        self.report: ReportDocument
        self.expected = 0
        """Recipients that will be read."""
        self.read = 0

    @property
    def percent(self) -> int:
        """The percentage that was read, 0 to 99: 100 would mean that the file is complete."""
        return min(99, 100 * self.read // self.expected) if self.expected else 0


@asynccontextmanager
async def reading_report(
    database: Database, job: ReportJob, *, clock: Callable[[], datetime]
) -> AsyncIterator[ReportReader]:
    """Yield the report of `job` in a snapshot of the database; render it inside the block. Raises `Purged`."""
    async with database.snapshot() as connection:
        reading = ReportReader()
        await _begin(connection, job, reading, clock=clock)
        yield reading


async def _begin(
    connection: ReadConnection,
    job: ReportJob,
    reading: ReportReader,
    *,
    clock: Callable[[], datetime],
) -> None:
    # The first statement takes the snapshot; read the clock after it.
    district = (await districts.districts(connection, [job.district_id]))[job.district_id]
    as_of = clock()
    ids = [job.message_id]
    visibility = Visibility(district, None, as_of)
    message = (await messages.messages(connection, ids, visibility=visibility))[job.message_id]
    school = None
    if message.school_id is not None:
        school = (await districts.schools(connection, [message.school_id]))[message.school_id].name
    content = (await messages.contents(connection, ids))[job.message_id]
    counters = (await message_counters.of_messages(connection, ids)).get(job.message_id, Counters())
    rule = row_rule(job.devices, job.detail)
    if rule is not None and message.purged_at is not None:
        raise Purged  # the report would lack recipients
    marks = report_marks.Marks()
    if rule is not None:
        marks = await report_marks.marks(connection, job.message_id, rule=rule, counters=counters)
        counts = await recipients.counts_of_messages(connection, ids, wanted=_wanted(rule))
        reading.expected = counts.get(job.message_id, 0)
    reading.report = MessageReport(
        district=district.name,
        school=school,
        zone=ZoneInfo(job.time_zone),
        subject=message.subject,
        message_type=message.type_label,
        category=message.category,
        sender=message.sender_name,
        created_at=message.created_at,
        as_of=as_of,
        devices=tuple(job.devices),
        detail=job.detail,
        modes=frozenset(message.delivery_modes),
        figures=figures(
            counters.tallies,
            people=message.people,
            without_device=message.people_without_device,
            contacted=message.people_contacted,
        ),
        started_at=message_counters.started_at(counters.spans),
        ended_at=message_counters.ended_at(counters.spans),
        cancellation=await _cancellation(connection, job),
        purged_at=message.purged_at,
        criteria=mask_values(content.filter_criteria) if job.is_masked else content.filter_criteria,
        content=_content(content, is_masked=job.is_masked),
        has_duplicates=marks.has_duplicates,
        has_not_contacted=marks.has_not_contacted,
        rows=() if rule is None else _rows(connection, job, rule, reading),
    ).document()


async def _cancellation(connection: ReadConnection, job: ReportJob) -> ReportCancellation | None:
    canceled = (await messages.cancellations(connection, [job.message_id])).get(job.message_id)
    if canceled is None:
        return None
    return ReportCancellation(
        requested_at=canceled.requested_at,
        requested_by=canceled.requested_by_name,
        reason=mask(canceled.reason) if job.is_masked else canceled.reason,
        stopped=canceled.stopped,
        already_sent=canceled.already_sent,
    )


def _content(record: ContentRecord, *, is_masked: bool) -> ReportContent:
    if is_masked:
        return ReportContent(
            body=MASK,
            body_format=BodyFormat.PLAIN,
            reply_to=mask(record.reply_to),
            text_body=mask(record.text_body),
            voice_script=mask(record.voice_script),
        )
    return ReportContent(
        body=record.body,
        body_format=record.body_format,
        reply_to=record.reply_to,
        text_body=record.text_body,
        voice_script=record.voice_script,
    )


def _wanted(rule: RowRule) -> RecipientFilter:
    """Return the filter for recipients who may have a row, as far as one statement can select them."""
    return RecipientFilter(outcome=RecipientOutcome.HAS_FAILURE if rule.is_failed_only else None)


def _rows(
    connection: ReadConnection, job: ReportJob, rule: RowRule, reading: ReportReader
) -> Iterator[Sequence[DetailRow]]:
    """Return the Delivery Detail in pages, for the renderer's thread. Each page is fetched on the event loop of the connection.

    Ordered by the recipient's name, then the student's. A masked report is in the order of the list, since an order by name
    would reveal names.
    """
    loop = asyncio.get_running_loop()
    ordered = recipients.in_order_of_list if job.is_masked else recipients.by_name
    order = ordered(f"report {job.id}")

    async def fetch(after: str | None) -> tuple[Slice[RecipientRecord], list[DetailRow]]:
        parts = await recipients.pages_of_messages(
            connection,
            [job.message_id],
            wanted=_wanted(rule),
            order=order,
            page=Page(size=PAGE, after=after, before=None, backward=False),
        )
        part = parts[job.message_id]
        keys = [(recipient.message_id, recipient.number) for recipient in part.rows]
        sent = await deliveries.of_recipients(connection, keys) if keys else {}
        rows = [
            row
            for recipient, key in zip(part.rows, keys, strict=True)
            for row in _rows_of(recipient, sent.get(key, ()), rule, is_masked=job.is_masked)
        ]
        return part, rows

    def pages() -> Iterator[Sequence[DetailRow]]:
        after, is_last = None, False
        while not is_last:
            part, rows = asyncio.run_coroutine_threadsafe(fetch(after), loop).result()
            reading.read += len(part.rows)
            is_last = not part.has_next
            after = order.cursors.encode(part.keys[-1]) if part.keys else None
            if rows:
                yield rows

    return pages()


def _rows_of(
    recipient: RecipientRecord,
    sent: Sequence[DeliveryRecord],
    rule: RowRule,
    *,
    is_masked: bool,
) -> Iterator[DetailRow]:
    name = MASK if is_masked else recipient.name
    student = mask(recipient.student_name) if is_masked else recipient.student_name
    places = rows_of_recipient(rule, ((delivery.mode, delivery.status) for delivery in sent))
    if places is None:
        yield DetailRow(name, student, recipient.contacted_by_phone)
        return
    for place in places:
        delivery = sent[place]
        yield DetailRow(
            name,
            student,
            recipient.contacted_by_phone,
            delivery.mode,
            MASK if is_masked else delivery.address,
            delivery.status,
            delivery.call_status_code,
            delivery.at,
            delivery.is_duplicate,
        )
