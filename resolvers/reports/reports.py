"""Creates reports, lists those of a message, and builds their download links.

`delivery.reports.jobs` renders them; `resolvers.reports.downloads` checks the links.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import strawberry

from db.audit import entries
from db.audit.entries import Action
from db.log.messages import MessageRecord
from db.reports import records
from db.reports.records import ReportRecord
from delivery.reports.jobs import RenderJob
from domain.ids import Kind, key_of, spell
from domain.paging import page
from domain.report import (
    KEPT,
    ReportChoice,
    ReportDetail,
    ReportDevice,
    ReportFormat,
    ReportOptions,
    file_name,
    in_order,
    refusal,
    report_options,
)
from domain.status import DeliveryMode, MessageStatus
from domain.ticket import SECRET, Ticket, sign
from domain.viewer import Right
from resolvers import messages
from resolvers.mutations.refusals import NO_MESSAGE, NotFound
from resolvers.request import enums
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.connection import Listing
from resolvers.request.context import Context, Info
from resolvers.request.list_keys import ReportList

assert enums  # makes the enumerations that the arguments below name


@dataclass(frozen=True, slots=True)
class ReportListing(Listing[ReportRecord]):
    """A page of a message's reports."""

    wanted: ReportList


@strawberry.input
class CreateReportInput:
    """The message, and the content and format of the report."""

    message_id: strawberry.ID
    devices: list[ReportDevice]
    detail: ReportDetail = ReportDetail.ALL
    format: ReportFormat = ReportFormat.PDF


class CreateReportSuccess(NamedTuple):
    """The report: a new one, or an equal one that was requested just before, if nothing has changed since."""

    report: ReportRecord


@dataclass(frozen=True, slots=True)
class ReportOptionUnavailable:
    """The message does not allow such a report now; `field` is the input field to correct."""

    message: str
    field: str
    available: ReportOptions


async def create(
    info: Info, *, input: CreateReportInput
) -> CreateReportSuccess | NotFound | ReportOptionUnavailable:
    """Request a report; returns before it is rendered. Raises `Forbidden`."""
    context = info.context
    context.viewer.require(Right.CREATE_REPORTS)
    message = await messages.by_id(info, input.message_id)
    if message is None:
        return NO_MESSAGE
    choice = ReportChoice(in_order(input.devices), input.detail, input.format)
    offered = options(message.status, message.delivery_modes, message.purged_at)
    if refusal_of := refusal(choice, offered):
        return ReportOptionUnavailable(refusal_of.message, refusal_of.field, offered)
    async with context.database.writing() as connection:
        id, is_new = await records.request_report(
            connection, _report_request(context, message, choice)
        )
        if is_new:
            act = context.entry(Action.CREATE_REPORT, spell(Kind.REPORT, id))
            await entries.write(connection, [act])
            await context.process_services.announce(connection, RenderJob(id))
    context.loaders.forget()
    report = await context.loaders.report.load(id)
    return NO_MESSAGE if report is None else CreateReportSuccess(report)


def options(
    status: MessageStatus, modes: Sequence[DeliveryMode], purged_at: datetime | None
) -> ReportOptions:
    """The options for a report of such a message now."""
    return report_options(status, frozenset(modes), is_purged=purged_at is not None)


def _report_request(
    context: Context, message: MessageRecord, choice: ReportChoice
) -> records.ReportRequest:
    zone = context.visibility.district.time_zone
    created_on = message.created_at.astimezone(ZoneInfo(zone)).date()
    return records.ReportRequest(
        message_id=message.id,
        district_id=message.district_id,
        choice=choice,
        is_masked=context.loaders.masks,
        time_zone=zone,
        file_name=file_name(message.subject, created_on, format=choice.format),
        requested_by_id=context.viewer.id,
        requested_by_name=context.viewer.name,
        requested_at=context.now,
        expires_at=context.now + KEPT,
    )


@BatchResolver
async def of_message(
    root: Sequence[MessageRecord],
    info: Info,
    *,
    first: int | None = None,
    after: str | None = None,
) -> Sequence[ReportListing]:
    """The page of each message's reports for the arguments, newest first. Raises `BadUserInput`."""
    lists = [ReportList(message.id) for message in root]
    wanted_page = page(first=first, after=after, last=None, before=None)
    pages = await info.context.loaders.report_page.load_all(
        [(wanted, wanted_page) for wanted in lists]
    )
    return [
        ReportListing(wanted.order(), slice_, wanted)
        for wanted, slice_ in zip(lists, pages, strict=True)
    ]


@BatchResolver
async def total_of_message(root: Sequence[ReportListing], info: Info) -> Sequence[int]:
    """The number of reports of each message that the viewer may see."""
    return await info.context.loaders.report_count.load_all([one.wanted for one in root])


async def by_id(info: Info, id: strawberry.ID) -> ReportRecord | None:
    """The report with this id, if the viewer may see it."""
    info.context.viewer.require(Right.VIEW_LOG)
    key = key_of(Kind.REPORT, id)
    return None if key is None else (await by_keys(info, [key]))[0]


async def by_keys(info: Info, keys: Sequence[tuple[int, ...]]) -> Sequence[ReportRecord | None]:
    """The reports with these keys, in order; None if the viewer may not see them."""
    return await info.context.loaders.report.load_many([key[0] for key in keys])


@BatchResolver
async def message_of(root: Sequence[ReportRecord], info: Info) -> Sequence[MessageRecord | None]:
    """The message of each report."""
    return await info.context.loaders.message.load_all([report.message_id for report in root])


@BatchResolver
async def download_url(root: Sequence[ReportRecord], info: Info) -> Sequence[str]:
    """The link to each file, for this viewer only: a path on this server, below the prefix of a reverse proxy."""
    key = await info.context.loaders.secret.load(SECRET)
    assert key is not None, f"the database has no secret {SECRET!r}: it was not migrated"
    messages = await message_of.of_all(root, info)
    return [
        f"{info.context.prefix}/reports/{spell(Kind.REPORT, report.id)}?ticket={sign(_ticket(info.context, report, message), key)}"
        for report, message in zip(root, messages, strict=True)
    ]


def _ticket(context: Context, report: ReportRecord, message: MessageRecord | None) -> Ticket:
    visibility = context.visibility
    return Ticket(
        report_id=report.id,
        viewer_id=context.viewer.id,
        district_id=visibility.district.id,
        school_id=None if visibility.school_ids is None or message is None else message.school_id,
        sees_recipients=not context.loaders.masks,
        until=report.expires_at,
    )
