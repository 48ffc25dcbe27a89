"""Deliveries: of a message, of a recipient, and what happened to each."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from db.audit.entries import Action
from db.log.deliveries import DeliveryKey, DeliveryRecord, EventRecord, Wanted
from db.log.messages import MessageRecord
from db.log.recipients import RecipientRecord
from db.sql.rows import Rows
from domain.ids import Kind, spell
from domain.paging import page
from domain.status import DeliveryMode, DeliveryStatus, EventSource
from resolvers.request import enums
from resolvers.request.batch_resolver import Together
from resolvers.request.connection import Edge, Listing
from resolvers.request.context import Info, fields_read
from resolvers.request.list_keys import DeliveriesOf, DeliveryList

assert enums  # makes the enumerations that the arguments below name


@dataclass(frozen=True, slots=True)
class DeliveryListing(Listing[DeliveryRecord]):
    """A page of a message's deliveries."""

    wanted: DeliveryList


@Together
async def of_message(
    root: Sequence[MessageRecord],
    info: Info,
    *,
    mode: list[DeliveryMode] | None = None,
    status: list[DeliveryStatus] | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> Sequence[DeliveryListing]:
    """The page of each message's deliveries that the arguments ask for. Raises `BadUserInput`."""
    context = info.context
    modes = None if mode is None else tuple(sorted(set(mode)))
    statuses = None if status is None else tuple(sorted(set(status)))
    asked = page(first=first, after=after, last=last, before=before)
    fields = fields_read(info, DeliveryRecord)
    lists = [DeliveryList(message.id, Wanted(modes, statuses), fields) for message in root]
    # Side by side: nothing is shown before both are done.
    pages, _ = await asyncio.gather(
        context.loaders.delivery_page.load_all([(wanted, asked) for wanted in lists]),
        context.audit.load_all(
            [(Action.OPEN_RECIPIENTS, spell(Kind.MESSAGE, message.id)) for message in root]
        ),
    )
    return [
        DeliveryListing(wanted.order(), found, wanted)
        for wanted, found in zip(lists, pages, strict=True)
    ]


@Together
async def total_of_message(root: Sequence[DeliveryListing], info: Info) -> Sequence[int]:
    """How many deliveries each list has."""
    return await info.context.loaders.delivery_count.load_all([one.wanted for one in root])


@Together
async def of_recipient(
    root: Sequence[RecipientRecord], info: Info
) -> Sequence[Sequence[DeliveryRecord]]:
    """Each recipient's deliveries, in the order in which they came."""
    fields = fields_read(info, DeliveryRecord)
    loaders = info.context.loaders
    keys = _keys(root)
    sent = loaders.sent.get(fields)
    if sent is not None and all(key in sent for key in keys):
        return [sent[key] for key in keys]
    return await loaders.deliveries_of_recipient.load_all(
        [DeliveriesOf(*key, fields) for key in keys]
    )


def _keys(recipients: Sequence[RecipientRecord]) -> Sequence[tuple[int, int]]:
    if type(recipients) is Rows and recipients.fields[:2] == ("message_id", "number"):
        return [(row[0], row[1]) for row in recipients.tuples]  # no record is made for its key
    return [(recipient.message_id, recipient.number) for recipient in recipients]


@Together
async def recipient_of_edge(
    root: Sequence[Edge[DeliveryRecord]], info: Info
) -> Sequence[RecipientRecord | None]:
    """The recipient to whom each delivery goes."""
    return await info.context.loaders.recipient.load_all(
        [(edge.node.message_id, edge.node.recipient_number) for edge in root]
    )


@Together
async def events_of(root: Sequence[DeliveryRecord], info: Info) -> Sequence[Sequence[EventRecord]]:
    """What happened to each delivery, oldest first; of one that was only recorded, that it was."""
    loaders = info.context.loaders
    events = await loaders.events.load_all([delivery.key for delivery in root])
    silent = [
        delivery.message_id
        for delivery, some in zip(root, events, strict=True)
        if not some and delivery.at is not None
    ]
    messages = dict(zip(silent, await loaders.message.load_all(silent), strict=True))
    return [
        some or _recorded(delivery, messages.get(delivery.message_id))
        for delivery, some in zip(root, events, strict=True)
    ]


def _recorded(delivery: DeliveryRecord, message: MessageRecord | None) -> Sequence[EventRecord]:
    """What can be told of a delivery of which no event was written."""
    if delivery.at is None or message is None or not message.is_recorded:
        return ()
    status, code = delivery.status, delivery.call_status_code
    return [EventRecord(delivery.at, status, code, EventSource.IMPORT, None)]


async def by_keys(info: Info, keys: Sequence[tuple[int, ...]]) -> Sequence[DeliveryRecord | None]:
    """The deliveries with these keys, as far as the viewer may see them; in the order of the keys."""
    context = info.context
    found = await context.loaders.delivery.load_many([DeliveryKey(*key) for key in keys])
    messages = {delivery.message_id for delivery in found if delivery is not None}
    await context.audit.load_many(
        [(Action.OPEN_RECIPIENTS, spell(Kind.MESSAGE, message)) for message in sorted(messages)]
    )
    return found
