"""Reports: asking for one, those of a message, and the link by which one is fetched.

How they are made is in `delivery.reports.jobs`; how a link is answered is the server's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import strawberry

from db.audit import entries
from db.audit.entries import Action
from db.connect.engine import writing
from db.log.messages import MessageRecord
from db.reports import records as rows
from db.reports.records import ReportRecord
from delivery.reports.jobs import PrintJob
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
from resolvers.request.batch_resolver import Together
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
    """Which message, and what of it, as what kind of file."""

    message_id: strawberry.ID
    devices: list[ReportDevice]
    detail: ReportDetail = ReportDetail.ALL
    format: ReportFormat = ReportFormat.PDF


class CreateReportSuccess(NamedTuple):
    """The report that was asked for: a new one, or the same that was asked for just before, if nothing changed since."""

    report: ReportRecord


@dataclass(frozen=True, slots=True)
class ReportOptionUnavailable:
    """The message does not allow such a report now; `field` is the input field that is to blame."""

    message: str
    field: str
    available: ReportOptions


async def create(
    info: Info, *, input: CreateReportInput
) -> CreateReportSuccess | NotFound | ReportOptionUnavailable:
    """Have a report made, and answer before it is. Raises `Forbidden`."""
    context = info.context
    context.viewer.require(Right.CREATE_REPORTS)
    message = await messages.by_id(info, input.message_id)
    if message is None:
        return NO_MESSAGE
    choice = ReportChoice(in_order(input.devices), input.detail, input.format)
    offered = options(message.status, message.delivery_modes, message.purged_at)
    if refused := refusal(choice, offered):
        return ReportOptionUnavailable(refused.message, refused.field, offered)
    async with writing(context.engine) as connection:
        id, is_new = await rows.ask(connection, _request(context, message, choice))
        if is_new:
            act = context.entry(Action.CREATE_REPORT, spell(Kind.REPORT, id))
            await entries.write(connection, [act])
            await context.backstage.announce(connection, PrintJob(id))
    context.loaders.forget()
    report = await context.loaders.report.load(id)
    return NO_MESSAGE if report is None else CreateReportSuccess(report)


def options(
    status: MessageStatus, modes: Sequence[DeliveryMode], purged_at: datetime | None
) -> ReportOptions:
    """What a report of such a message may have now."""
    return report_options(status, frozenset(modes), is_purged=purged_at is not None)


def _request(context: Context, message: MessageRecord, choice: ReportChoice) -> rows.Request:
    zone = context.visibility.district.time_zone
    created_on = message.created_at.astimezone(ZoneInfo(zone)).date()
    return rows.Request(
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


@Together
async def of_message(
    root: Sequence[MessageRecord],
    info: Info,
    *,
    first: int | None = None,
    after: str | None = None,
) -> Sequence[ReportListing]:
    """The page of each message's reports that the arguments ask for, newest first. Raises `BadUserInput`."""
    lists = [ReportList(message.id) for message in root]
    asked = page(first=first, after=after, last=None, before=None)
    pages = await info.context.loaders.report_page.load_all([(wanted, asked) for wanted in lists])
    return [
        ReportListing(wanted.order(), found, wanted)
        for wanted, found in zip(lists, pages, strict=True)
    ]


@Together
async def total_of_message(root: Sequence[ReportListing], info: Info) -> Sequence[int]:
    """How many reports of each message there are for this viewer."""
    return await info.context.loaders.report_count.load_all([one.wanted for one in root])


async def by_id(info: Info, id: strawberry.ID) -> ReportRecord | None:
    """The report with this id, if the viewer may see it."""
    info.context.viewer.require(Right.VIEW_LOG)
    key = key_of(Kind.REPORT, id)
    return None if key is None else (await by_keys(info, [key]))[0]


async def by_keys(info: Info, keys: Sequence[tuple[int, ...]]) -> Sequence[ReportRecord | None]:
    """The reports with these keys, as far as the viewer may see them; in the order of the keys."""
    return await info.context.loaders.report.load_many([key[0] for key in keys])


@Together
async def message_of(root: Sequence[ReportRecord], info: Info) -> Sequence[MessageRecord | None]:
    """The message that each is about."""
    return await info.context.loaders.message.load_all([report.message_id for report in root])


@Together
async def download_url(root: Sequence[ReportRecord], info: Info) -> Sequence[str]:
    """Where this viewer, and nobody who has another sign-in, can fetch each file; a path, for any name of the server,
    below the prefix of a reverse proxy."""
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
