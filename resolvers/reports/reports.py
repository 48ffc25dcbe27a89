"""Creates reports on messages, lists those of a message, and builds the download links of all reports.

`people` creates the others; `delivery.reports.jobs` renders them; `downloads` checks the links.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import strawberry

from db.audit import entries
from db.audit.entries import Action
from db.log.messages import MessageRecord
from db.log.people import PersonRecord, StudentRecord
from db.reports import records
from db.reports.records import ReportRecord, ReportRequest
from db.reports.subjects import FamilySubject, Subject, decode, encode
from db.sql.connections import ReadConnection
from delivery.reports.jobs import RenderJob
from domain.ids import Kind, key_of, spell
from domain.paging import page
from domain.people import Role
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
from resolvers.people import persons
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
    zone = ZoneInfo(context.visibility.district.time_zone)
    wanted = request_of(
        context,
        choice,
        message_id=message.id,
        name=file_name(
            message.subject, message.created_at.astimezone(zone).date(), format=choice.format
        ),
    )
    report = await requested(
        context,
        wanted,
        read_state=lambda connection: records.message_state(connection, message.id),
    )
    return NO_MESSAGE if report is None else CreateReportSuccess(report)


async def requested(
    context: Context,
    request: ReportRequest,
    *,
    read_state: Callable[[ReadConnection], Awaitable[str]],
) -> ReportRecord | None:
    """The report for a request: a new one, or an equal one that shows the same. A new one adds an audit entry."""
    async with context.database.writing() as connection:
        id, is_new = await records.request_report(connection, request, read_state=read_state)
        if is_new:
            act = context.entry(Action.CREATE_REPORT, spell(Kind.REPORT, id))
            await entries.write(connection, [act])
            await context.process_services.announce(connection, RenderJob(id))
    context.loaders.forget()
    return await context.loaders.report.load(id)


def options(
    status: MessageStatus, modes: Sequence[DeliveryMode], purged_at: datetime | None
) -> ReportOptions:
    """The options for a report of such a message now."""
    return report_options(status, frozenset(modes), is_purged=purged_at is not None)


def request_of(
    context: Context,
    choice: ReportChoice,
    *,
    name: str,
    message_id: int | None = None,
    subject: Subject | None = None,
) -> ReportRequest:
    """The request of this viewer for a report on a message, or about a subject; `name` is that of the file."""
    return ReportRequest(
        message_id=message_id,
        subject=None if subject is None else encode(subject),
        district_id=context.visibility.district.id,
        choice=choice,
        is_masked=context.loaders.masks,
        time_zone=context.visibility.district.time_zone,
        file_name=name,
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
    """The message of each report; None if it is not on a message."""
    ids = [report.message_id for report in root]
    found = await info.context.loaders.message.load_all([id for id in ids if id is not None])
    by_id = {message.id: message for message in found if message is not None}
    return [None if id is None else by_id.get(id) for id in ids]


@BatchResolver
async def about(
    root: Sequence[ReportRecord], info: Info
) -> Sequence[PersonRecord | StudentRecord | None]:
    """The person or the student of each family report. Opening one adds an audit entry."""
    subjects = [None if one.subject is None else decode(one.subject) for one in root]
    people = [one for one in subjects if isinstance(one, FamilySubject)]
    found: dict[tuple[Role, int], PersonRecord | StudentRecord | None] = {}
    for role, load in (
        (Role.CONTACT, persons.contacts_by_keys),
        (Role.STUDENT, persons.students_by_keys),
    ):
        ids = sorted({one.person_id for one in people if one.role is role})
        if ids:
            records_of_role = await load(info, [(id,) for id in ids])
            found |= {(role, id): one for id, one in zip(ids, records_of_role, strict=True)}
    return [
        found.get((one.role, one.person_id)) if isinstance(one, FamilySubject) else None
        for one in subjects
    ]


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
