"""Read a report on one message. `domain.report` decides which rows it has."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from db.log import counters as message_counters
from db.log import deliveries, districts, messages, recipients
from db.log.counters import Counters
from db.log.deliveries import DeliveryRecord
from db.log.districts import DistrictRecord
from db.log.messages import ContentRecord
from db.log.recipients import RecipientFilter, RecipientOutcome, RecipientRecord
from db.log.visibility import Visibility
from db.reports import marks as report_marks
from db.reports.jobs import ReportJob
from db.sql.connections import ReadConnection
from db.sql.keyset_paging import Slice
from delivery.reports.failures import Purged
from delivery.reports.sources.pages import ReportReader
from domain.counting import figures
from domain.masking import MASK, mask, mask_values
from domain.message import BodyFormat
from domain.paging import Page
from domain.report import RowRule, row_rule, rows_of_recipient
from renderers.contents.delivery_rows import DetailRow
from renderers.contents.message_report import MessageReport, ReportCancellation, ReportContent


def message_of(job: ReportJob) -> int:
    """Return the message of a report that has no other subject."""
    assert job.message_id is not None
    return job.message_id


async def begin(
    connection: ReadConnection, job: ReportJob, district: DistrictRecord, *, now: datetime
) -> ReportReader:
    """Return the report on the message of `job`. Raises `Purged`."""
    message_id = message_of(job)
    ids = [message_id]
    visibility = Visibility(district, None, now)
    message = (await messages.messages(connection, ids, visibility=visibility))[message_id]
    school = None
    if message.school_id is not None:
        school = (await districts.schools(connection, [message.school_id]))[message.school_id].name
    content = (await messages.contents(connection, ids))[message_id]
    counters = (await message_counters.of_messages(connection, ids)).get(message_id, Counters())
    rule = row_rule(job.devices, job.detail)
    if rule is not None and message.purged_at is not None:
        raise Purged  # the report would lack recipients
    marks, expected = report_marks.Marks(), 0
    if rule is not None:
        marks = await report_marks.marks(connection, message_id, rule=rule, counters=counters)
        counts = await recipients.counts_of_messages(connection, ids, wanted=_wanted(rule))
        expected = counts.get(message_id, 0)
    reading = ReportReader(expected=expected)
    reading.report = MessageReport(
        district=district.name,
        school=school,
        zone=ZoneInfo(job.time_zone),
        subject=message.subject,
        message_type=message.type_label,
        category=message.category,
        sender=message.sender_name,
        created_at=message.created_at,
        as_of=now,
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
        cancellation=await _cancellation(connection, message_id, is_masked=job.is_masked),
        purged_at=message.purged_at,
        criteria=mask_values(content.filter_criteria) if job.is_masked else content.filter_criteria,
        content=_content(content, is_masked=job.is_masked),
        has_duplicates=marks.has_duplicates,
        has_not_contacted=marks.has_not_contacted,
        rows=() if rule is None else _rows(connection, job, rule, reading),
    ).document()
    return reading


async def _cancellation(
    connection: ReadConnection, message_id: int, *, is_masked: bool
) -> ReportCancellation | None:
    canceled = (await messages.cancellations(connection, [message_id])).get(message_id)
    if canceled is None:
        return None
    return ReportCancellation(
        requested_at=canceled.requested_at,
        requested_by=canceled.requested_by_name,
        reason=mask(canceled.reason) if is_masked else canceled.reason,
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
    """Return the Delivery Detail in pages.

    Ordered by the recipient's name, then the student's. A masked report is in the order of the list, since an order by name
    would reveal names.
    """
    message_id = message_of(job)
    ordered = recipients.in_order_of_list if job.is_masked else recipients.by_name
    order = ordered(f"report {job.id}")

    async def fetch(page: Page) -> tuple[Slice[RecipientRecord], list[DetailRow]]:
        parts = await recipients.pages_of_messages(
            connection, [message_id], wanted=_wanted(rule), order=order, page=page
        )
        part = parts[message_id]
        keys = [(recipient.message_id, recipient.number) for recipient in part.rows]
        sent = await deliveries.of_recipients(connection, keys) if keys else {}
        rows = [
            row
            for recipient, key in zip(part.rows, keys, strict=True)
            for row in _rows_of(recipient, sent.get(key, ()), rule, is_masked=job.is_masked)
        ]
        return part, rows

    return reading.pages(order, fetch)


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
