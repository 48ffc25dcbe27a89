"""Resolves recipients of a message, and what a person was sent.

Each opening of recipients adds an audit entry.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import strawberry

from db.audit.entries import Action
from db.log.deliveries import DeliveryRecord
from db.log.messages import MessageRecord
from db.log.recipients import PersonRecord, RecipientFilter, RecipientOutcome, RecipientRecord
from db.log.recipients_with_deliveries import RequestedFields
from domain.ids import Kind, key_of, spell
from domain.paging import page
from domain.viewer import Right
from resolvers.deliveries import of_recipient
from resolvers.request.arguments import DateRange, visible_text
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.connection import Edge, Listing
from resolvers.request.context import Info, fields_read, fields_read_below
from resolvers.request.list_keys import PersonList, RecipientList

strawberry.enum(RecipientOutcome)


@dataclass(frozen=True, slots=True)
class RecipientListing(Listing[RecipientRecord]):
    """A page of a message's recipients."""

    wanted: RecipientList


@dataclass(frozen=True, slots=True)
class PersonListing(Listing[RecipientRecord]):
    """A page of what a person was sent."""

    wanted: PersonList


@BatchResolver
async def of_message(
    root: Sequence[MessageRecord],
    info: Info,
    *,
    search: str | None = None,
    outcome: RecipientOutcome | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> Sequence[RecipientListing]:
    """The page of each message's recipients for the arguments. Raises `BadUserInput` and `Forbidden`."""
    context = info.context
    if search:
        context.viewer.require(Right.VIEW_RECIPIENTS)
    wanted_page = page(first=first, after=after, last=last, before=before)
    criteria = RecipientFilter(visible_text(search, argument="search"), outcome)
    shown = RequestedFields(
        fields_read(info, RecipientRecord), *fields_read_below(info, of_recipient, DeliveryRecord)
    )
    lists = [RecipientList(message.id, criteria, shown) for message in root]
    # Concurrently; the rows are returned only after the audit entry is written.
    pages, _ = await asyncio.gather(
        context.loaders.recipient_page.load_all([(wanted, wanted_page) for wanted in lists]),
        context.audit.load_all(
            [(Action.OPEN_RECIPIENTS, spell(Kind.MESSAGE, message.id)) for message in root]
        ),
    )
    return [
        RecipientListing(wanted.order(masks=context.loaders.masks), records, wanted)
        for wanted, records in zip(lists, pages, strict=True)
    ]


@BatchResolver
async def total_of_message(root: Sequence[RecipientListing], info: Info) -> Sequence[int]:
    """The number of recipients in each list."""
    return await info.context.loaders.recipient_count.load_all([one.wanted for one in root])


async def person_by_id(info: Info, id: strawberry.ID) -> PersonRecord | None:
    """The person with this id, if the viewer may see a message to it."""
    info.context.viewer.require(Right.VIEW_LOG)
    key = key_of(Kind.PERSON, id)
    return None if key is None else (await people_by_keys(info, [key]))[0]


@BatchResolver
async def of_person(
    root: Sequence[PersonRecord],
    info: Info,
    *,
    created_between: DateRange | None = None,
    first: int | None = None,
    after: str | None = None,
) -> Sequence[PersonListing]:
    """The page of what each person was sent, newest first. Raises `BadUserInput`."""
    context = info.context
    zone = ZoneInfo(context.visibility.district.time_zone)
    created = created_between.instants(zone) if created_between else None
    lists = [PersonList(person.id, created) for person in root]
    wanted_page = page(first=first, after=after, last=None, before=None)
    pages = await context.loaders.person_page.load_all([(wanted, wanted_page) for wanted in lists])
    await context.audit.load_all(
        [(Action.OPEN_PERSON, spell(Kind.PERSON, person.id)) for person in root]
    )
    return [
        PersonListing(wanted.order(), records, wanted)
        for wanted, records in zip(lists, pages, strict=True)
    ]


@BatchResolver
async def total_of_person(root: Sequence[PersonListing], info: Info) -> Sequence[int]:
    """The number of entries in each list."""
    return await info.context.loaders.person_count.load_all([one.wanted for one in root])


@BatchResolver
async def person_of(root: Sequence[RecipientRecord], info: Info) -> Sequence[PersonRecord | None]:
    """The person of each recipient."""
    return await info.context.loaders.person.load_all([recipient.person_id for recipient in root])


@BatchResolver
async def message_of_edge(
    root: Sequence[Edge[RecipientRecord]], info: Info
) -> Sequence[MessageRecord | None]:
    """The message of each entry."""
    return await info.context.loaders.message.load_all([edge.node.message_id for edge in root])


async def people_by_keys(
    info: Info, keys: Sequence[tuple[int, ...]]
) -> Sequence[PersonRecord | None]:
    """The people with these keys, in order; None if the viewer may see no message to them."""
    context = info.context
    records = await context.loaders.person.load_many([key[0] for key in keys])
    opened = [person.id for person in records if person is not None]
    await context.audit.load_many(
        [(Action.OPEN_PERSON, spell(Kind.PERSON, person)) for person in opened]
    )
    return records


async def by_keys(info: Info, keys: Sequence[tuple[int, ...]]) -> Sequence[RecipientRecord | None]:
    """The recipients with these keys, in order; None if the viewer may not see them."""
    context = info.context
    records = await context.loaders.recipient.load_many([(key[0], key[1]) for key in keys])
    messages = {recipient.message_id for recipient in records if recipient is not None}
    await context.audit.load_many(
        [(Action.OPEN_RECIPIENTS, spell(Kind.MESSAGE, message)) for message in sorted(messages)]
    )
    return records
