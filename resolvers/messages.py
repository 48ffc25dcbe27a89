"""Searches messages, and resolves the fields of a message.

Recipients, deliveries and the summary have modules of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final
from zoneinfo import ZoneInfo

import strawberry

from db.derived.figures.figure_rows import FigureRecord
from db.log.districts import SchoolRecord
from db.log.inbox import InboxRecord
from db.log.messages import CancellationRecord, ContentRecord, MessageRecord
from db.search import facets, log_page
from db.search.criteria import Criteria
from db.search.facets import SchoolCount, SenderCount, StatusCount, TypeCount, TypeRecord
from db.search.log_page import OrderField
from db.search.search import Search, prepare
from db.sql.keyset_paging import Order
from domain.errors import BadUserInput
from domain.ids import Kind, key_of
from domain.message import BodyFormat, Criterion
from domain.paging import Page, page
from domain.search import fold_date
from domain.status import DeliveryMode, MessageStatus
from domain.texts import with_line_feeds
from domain.viewer import Right
from domain.words import TextQuery, parse_query
from resolvers.log import summary
from resolvers.request import enums
from resolvers.request.arguments import (
    MOST_CHOICES,
    DateRange,
    folded_text,
    require_storable,
    visible_text,
)
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.connection import Listing
from resolvers.request.context import Context, Info, fields_read, fields_read_below

MOST_WORDS: Final = 20
"""Maximum words of a search for texts."""

LONGEST_TEXT: Final = 1_000
"""Maximum characters of a search for texts."""

MOST_SENDERS: Final = 100
"""Maximum senders that a drop-down offers."""

assert enums  # makes the enumerations that the arguments below name


class OrderDirection(Enum):
    """The direction of a sort column; absent values sort last in both."""

    ASC = "ASC"
    DESC = "DESC"


strawberry.enum(OrderDirection)
strawberry.enum(OrderField, name="MessageOrderField")


@strawberry.input
class MessageOrder:
    """A column that sorts the log."""

    field: OrderField
    direction: OrderDirection = OrderDirection.ASC


@strawberry.input(
    description="Every given part must hold. Text parts match anywhere, ignoring case and accents."
)
class MessageFilter:
    """The criteria of a search besides the days."""

    status: list[MessageStatus] | None = None
    type: list[str] | None = strawberry.field(default=None, description="Codes of message types.")
    school_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="Schools by id; `districtWide` adds the messages sent for the whole district.",
    )
    district_wide: bool | None = strawberry.field(
        default=None,
        description="Without `schoolIds`: true for what was sent for the whole district alone, false for what schools sent.",
    )
    subject: str | None = None
    sender: str | None = None
    created_text: str | None = strawberry.field(
        default=None,
        description=(
            "Part of the date as shown, MM/DD/YYYY h:mm AM, in the district's time zone: "
            '"01/31/2020", "11:00 AM".'
        ),
    )
    scheduled_text: str | None = None
    schedule_id: str | None = None
    mine: bool | None = strawberry.field(default=None, description="Only what the viewer sent.")
    recipient: str | None = strawberry.field(
        default=None,
        description="Name or address of a recipient, or name of a student. Needs VIEW_RECIPIENTS.",
    )
    text: str | None = strawberry.field(
        default=None,
        description=(
            "Words of the subject, the body, the text or the voice script; all of them, in any order, as whole words. A phrase "
            "stands in double quotes. Needs VIEW_RECIPIENTS."
        ),
    )
    delivery_modes: list[DeliveryMode] | None = strawberry.field(
        default=None, description="Messages that were sent in at least one of these ways."
    )
    has_failures: bool | None = strawberry.field(
        default=None,
        description="True for messages with at least one failed delivery, false for those without; duplicates do not count.",
    )


@dataclass(frozen=True, slots=True)
class MessageListing(Listing[MessageRecord]):
    """A page of the log, the search that produced it, and its criteria."""

    search: Search
    criteria: Criteria


async def search(
    info: Info,
    *,
    created_between: DateRange,
    filter: MessageFilter | None = None,
    order_by: list[MessageOrder] | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> MessageListing:
    """The page of the log for the arguments. Raises `BadUserInput` and `Forbidden`."""
    context = info.context
    criteria, order, wanted = read_search(
        context,
        created_between=created_between,
        filter=filter,
        order_by=order_by,
        first=first,
        after=after,
        last=last,
        before=before,
    )
    rows, found = await log_page.find_page(
        context.database,
        criteria,
        visibility=context.visibility,
        order=order,
        page=wanted,
        fields=fields_read(info, MessageRecord),
    )
    return MessageListing(order, rows, found, criteria)


def read_search(
    context: Context,
    *,
    created_between: DateRange,
    filter: MessageFilter | None = None,
    order_by: list[MessageOrder] | None = None,
    **paging: Any,
) -> tuple[Criteria, Order, Page]:
    """The criteria, the order and the page that the arguments of `search` name. Raises as `search`."""
    context.viewer.require(Right.VIEW_LOG)
    wanted = page(**{**dict.fromkeys(("first", "after", "last", "before")), **paging})
    criteria = criteria_of(context, created_between, filter or MessageFilter())
    order_by_given = (
        [MessageOrder(field=OrderField.CREATED_AT, direction=OrderDirection.DESC)]
        if order_by is None
        else order_by
    )
    fields = [(order.field, order.direction is OrderDirection.DESC) for order in order_by_given]
    if len({field for field, _ in fields}) != len(fields):
        raise BadUserInput("orderBy names a field twice. Name each once.")
    scope = ("log", context.visibility.district.id, criteria)
    return criteria, log_page.order(fields, scope=scope), wanted


def criteria_of(context: Context, days: DateRange, filter: MessageFilter) -> Criteria:
    """The criteria of a search by these arguments. Raises `BadUserInput` and `Forbidden`."""
    if filter.recipient or filter.text:
        context.viewer.require(Right.VIEW_RECIPIENTS)
    for name, values in (
        ("status", filter.status),
        ("type", filter.type),
        ("schoolIds", filter.school_ids),
        ("deliveryModes", filter.delivery_modes),
    ):
        if values is not None and len(values) > MOST_CHOICES:
            raise BadUserInput(
                f"filter.{name} has {len(values)} values. Give at most {MOST_CHOICES}."
            )
    for code in filter.type or ():
        require_storable(code, argument="filter.type")
    created_from, created_until = days.instants(ZoneInfo(context.visibility.district.time_zone))
    schools = None
    if filter.school_ids is not None:
        keys = [key_of(Kind.SCHOOL, school) for school in filter.school_ids]
        schools = tuple(sorted(key[0] for key in keys if key is not None))
    return Criteria(
        created_from=created_from,
        created_until=created_until,
        statuses=None if filter.status is None else tuple(sorted(set(filter.status))),
        types=None if filter.type is None else tuple(sorted(set(filter.type))),
        schools=schools,
        district_wide=filter.district_wide,
        subject=folded_text(filter.subject, argument="filter.subject"),
        sender=folded_text(filter.sender, argument="filter.sender"),
        created_text=_date(filter.created_text, argument="filter.createdText"),
        scheduled_text=_date(filter.scheduled_text, argument="filter.scheduledText"),
        schedule_id=folded_text(filter.schedule_id, argument="filter.scheduleId"),
        sender_id=context.viewer.id if filter.mine else None,
        recipient=visible_text(filter.recipient, argument="filter.recipient"),
        modes=None if filter.delivery_modes is None else tuple(sorted(set(filter.delivery_modes))),
        has_failures=filter.has_failures,
        text=_words(filter.text),
    )


def _words(typed: str | None) -> TextQuery | None:
    """The query for a typed text; None if it has no word. Raises `BadUserInput`."""
    if not typed:
        return None
    if len(typed) > LONGEST_TEXT:
        raise BadUserInput(f"filter.text has {len(typed)} characters. Give at most {LONGEST_TEXT}.")
    count = len(require_storable(typed, argument="filter.text").split())
    if count > MOST_WORDS:
        raise BadUserInput(f"filter.text has {count} words. Give at most {MOST_WORDS}.")
    query = parse_query(typed)
    return query if query.words else None


def _date(text: str | None, *, argument: str) -> str | None:
    date = visible_text(text, argument=argument)
    return None if date is None else fold_date(date)


async def total(root: MessageListing, info: Info) -> int:
    """The number of messages that match the search."""
    async with info.context.database.reading() as connection:
        return await facets.count(connection, root.search)


async def status_facets(root: MessageListing, info: Info) -> Sequence[StatusCount]:
    """The statuses of messages that match the other criteria, with counts."""
    async with info.context.database.reading() as connection:
        return await facets.count_by_status(connection, root.search)


async def type_facets(root: MessageListing, info: Info) -> Sequence[TypeCount]:
    """The types of messages that match the other criteria, with counts."""
    async with info.context.database.reading() as connection:
        return await facets.count_by_type(connection, root.search)


async def school_facets(root: MessageListing, info: Info) -> Sequence[SchoolCount]:
    """The schools of messages that match the other criteria, with counts."""
    async with info.context.database.reading() as connection:
        return await facets.count_by_school(connection, root.search)


async def sender_facets(
    root: MessageListing, info: Info, *, first: int | None = 20
) -> Sequence[SenderCount]:
    """The senders of messages that match the other criteria, those with most messages first. Raises `BadUserInput`."""
    most = 20 if first is None else first
    if not 0 <= most <= MOST_SENDERS:
        raise BadUserInput(f"first: {most} is out of range. Ask for 0 to {MOST_SENDERS} senders.")
    others = root.criteria._replace(sender=None, sender_id=None)
    async with info.context.database.reading() as connection:
        search = root.search
        if others != root.criteria:
            search = await prepare(connection, others, visibility=info.context.visibility)
        return await facets.count_by_sender(connection, search, most=most)


async def by_id(info: Info, id: strawberry.ID) -> MessageRecord | None:
    """The message with this id, if the viewer may see it."""
    info.context.viewer.require(Right.VIEW_LOG)
    key = key_of(Kind.MESSAGE, id)
    if key is None:
        return None
    loaders = info.context.loaders
    is_counted, _ = fields_read_below(info, summary.of_message, summary.Summary)
    return await (loaders.counted_message if is_counted else loaders.message).load(key[0])


async def reload(info: Info, message: MessageRecord) -> MessageRecord:
    """The current row of a message that this request has changed; clears the loaders."""
    info.context.loaders.forget()
    changed = await info.context.loaders.message.load(message.id)
    return message if changed is None else changed


@BatchResolver
async def school_of(
    root: Sequence[MessageRecord | SchoolCount | InboxRecord | FigureRecord], info: Info
) -> Sequence[SchoolRecord | None]:
    """The school of each; None if it was sent for the whole district."""
    ids = {one.school_id: None for one in root if one.school_id is not None}
    found: dict[int | None, SchoolRecord | None] = {None: None}
    found.update(zip(ids, await info.context.loaders.school.load_all(list(ids)), strict=True))
    return [found[one.school_id] for one in root]


async def _contents(root: Sequence[MessageRecord], info: Info) -> Sequence[ContentRecord]:
    contents = await info.context.loaders.content.load_all([message.id for message in root])
    found = [content for content in contents if content is not None]
    assert len(found) == len(root), "there are messages without content"
    return found


@BatchResolver
async def body(root: Sequence[MessageRecord], info: Info) -> Sequence[str]:
    """The body of each, with line breaks as in the email."""
    return [with_line_feeds(content.body) for content in await _contents(root, info)]


@BatchResolver
async def body_format(root: Sequence[MessageRecord], info: Info) -> Sequence[BodyFormat]:
    """The format of each body."""
    return [content.body_format for content in await _contents(root, info)]


@BatchResolver
async def text_body(root: Sequence[MessageRecord], info: Info) -> Sequence[str | None]:
    """The text-message version of each, if it differs from the body."""
    return [_with_line_feeds(content.text_body) for content in await _contents(root, info)]


@BatchResolver
async def voice_script(root: Sequence[MessageRecord], info: Info) -> Sequence[str | None]:
    """The script for calls of each, if it differs from the body."""
    return [_with_line_feeds(content.voice_script) for content in await _contents(root, info)]


def _with_line_feeds(text: str | None) -> str | None:
    return None if text is None else with_line_feeds(text)


@BatchResolver
async def reply_to(root: Sequence[MessageRecord], info: Info) -> Sequence[str | None]:
    """The reply-to address of each."""
    return [content.reply_to for content in await _contents(root, info)]


@BatchResolver
async def filter_criteria(
    root: Sequence[MessageRecord], info: Info
) -> Sequence[Sequence[Criterion]]:
    """The criteria by which the recipients of each were chosen."""
    return [content.filter_criteria for content in await _contents(root, info)]


@BatchResolver
async def cancellation(
    root: Sequence[MessageRecord], info: Info
) -> Sequence[CancellationRecord | None]:
    """The cancellation of each, if there is one."""
    return await info.context.loaders.cancellation.load_all([message.id for message in root])


async def types(info: Info) -> Sequence[TypeRecord]:
    """The types of the messages that the viewer may see, by label."""
    info.context.viewer.require(Right.VIEW_LOG)
    async with info.context.database.reading() as connection:
        return await facets.types(connection, visibility=info.context.visibility)
