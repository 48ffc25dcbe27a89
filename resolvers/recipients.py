"""Resolves recipients of a message.

Each opening of recipients adds an audit entry.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import strawberry

from db.audit.entries import Action
from db.log.deliveries import DeliveryRecord
from db.log.messages import MessageRecord
from db.log.recipients import RecipientFilter, RecipientOutcome, RecipientRecord
from db.log.recipients_with_deliveries import RequestedFields
from domain.ids import Kind, spell
from domain.paging import page
from domain.viewer import Right
from resolvers.deliveries import of_recipient
from resolvers.request.arguments import visible_text
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.connection import Edge, Listing
from resolvers.request.context import Info, fields_read, fields_read_below
from resolvers.request.list_keys import RecipientList

strawberry.enum(RecipientOutcome)


@dataclass(frozen=True, slots=True)
class RecipientListing(Listing[RecipientRecord]):
    """A page of a message's recipients."""

    wanted: RecipientList


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


@BatchResolver
async def message_of_edge(
    root: Sequence[Edge[RecipientRecord]], info: Info
) -> Sequence[MessageRecord | None]:
    """The message of each entry."""
    return await info.context.loaders.message.load_all([edge.node.message_id for edge in root])


async def by_keys(info: Info, keys: Sequence[tuple[int, ...]]) -> Sequence[RecipientRecord | None]:
    """The recipients with these keys, in order; None if the viewer may not see them."""
    context = info.context
    records = await context.loaders.recipient.load_many([(key[0], key[1]) for key in keys])
    messages = {recipient.message_id for recipient in records if recipient is not None}
    await context.audit.load_many(
        [(Action.OPEN_RECIPIENTS, spell(Kind.MESSAGE, message)) for message in sorted(messages)]
    )
    return records
