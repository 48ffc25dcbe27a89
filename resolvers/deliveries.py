"""Resolves deliveries of a message or a recipient, and their events."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from db.audit.entries import Action
from db.log.deliveries import DeliveryFilter, DeliveryKey, DeliveryRecord, EventRecord
from db.log.messages import MessageRecord
from db.log.recipients import RecipientRecord
from db.sql.rows import Rows
from domain.ids import Kind, spell
from domain.paging import page
from domain.status import DeliveryMode, DeliveryStatus, EventSource
from resolvers.request import enums
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.connection import Edge, Listing
from resolvers.request.context import Info, fields_read
from resolvers.request.list_keys import DeliveriesOf, DeliveryList

assert enums  # makes the enumerations that the arguments below name


@dataclass(frozen=True, slots=True)
class DeliveryListing(Listing[DeliveryRecord]):
    """A page of a message's deliveries."""

    wanted: DeliveryList


@BatchResolver
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
    """The page of each message's deliveries for the arguments. Raises `BadUserInput`."""
    context = info.context
    modes = None if mode is None else tuple(sorted(set(mode)))
    statuses = None if status is None else tuple(sorted(set(status)))
    wanted_page = page(first=first, after=after, last=last, before=before)
    fields = fields_read(info, DeliveryRecord)
    lists = [DeliveryList(message.id, DeliveryFilter(modes, statuses), fields) for message in root]
    # Concurrently; the rows are returned only after the audit entry is written.
    pages, _ = await asyncio.gather(
        context.loaders.delivery_page.load_all([(wanted, wanted_page) for wanted in lists]),
        context.audit.load_all(
            [(Action.OPEN_RECIPIENTS, spell(Kind.MESSAGE, message.id)) for message in root]
        ),
    )
    return [
        DeliveryListing(wanted.order(), slice_, wanted)
        for wanted, slice_ in zip(lists, pages, strict=True)
    ]


@BatchResolver
async def total_of_message(root: Sequence[DeliveryListing], info: Info) -> Sequence[int]:
    """The number of deliveries in each list."""
    return await info.context.loaders.delivery_count.load_all([one.wanted for one in root])


@BatchResolver
async def of_recipient(
    root: Sequence[RecipientRecord], info: Info
) -> Sequence[Sequence[DeliveryRecord]]:
    """Each recipient's deliveries, in their order in the message."""
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
        return [(row[0], row[1]) for row in recipients.tuples]  # without making records
    return [(recipient.message_id, recipient.number) for recipient in recipients]


@BatchResolver
async def recipient_of_edge(
    root: Sequence[Edge[DeliveryRecord]], info: Info
) -> Sequence[RecipientRecord | None]:
    """The recipient of each delivery."""
    return await info.context.loaders.recipient.load_all(
        [(edge.node.message_id, edge.node.recipient_number) for edge in root]
    )


@BatchResolver
async def events_of(root: Sequence[DeliveryRecord], info: Info) -> Sequence[Sequence[EventRecord]]:
    """The events of each delivery, oldest first; of history without events, one for its outcome."""
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
    """An event for the outcome of a delivery of history, which has no stored events."""
    if delivery.at is None or message is None or not message.is_recorded:
        return ()
    status, code = delivery.status, delivery.call_status_code
    return [EventRecord(delivery.at, status, code, EventSource.IMPORT, None)]


async def by_keys(info: Info, keys: Sequence[tuple[int, ...]]) -> Sequence[DeliveryRecord | None]:
    """The deliveries with these keys, in order; None if the viewer may not see them."""
    context = info.context
    slice_ = await context.loaders.delivery.load_many([DeliveryKey(*key) for key in keys])
    messages = {delivery.message_id for delivery in slice_ if delivery is not None}
    await context.audit.load_many(
        [(Action.OPEN_RECIPIENTS, spell(Kind.MESSAGE, message)) for message in sorted(messages)]
    )
    return slice_
