"""Deliveries: of a message, of a recipient, and what happened to each."""

from collections.abc import Sequence
from dataclasses import dataclass

from db.audit import Action
from db.deliveries import DeliveryKey, DeliveryRecord, EventRecord, Wanted
from db.messages import MessageRecord
from db.recipients import RecipientRecord
from domain.call_status import call_status
from domain.ids import Kind, spell
from domain.paging import page
from domain.status import STATUS_LABELS, DeliveryMode, DeliveryStatus, EventSource
from resolvers import enums
from resolvers.context import Info
from resolvers.listing import Edge, Listing
from resolvers.loaders import DeliveryList

assert enums  # makes the enumerations that the arguments below name


@dataclass(frozen=True, slots=True)
class DeliveryListing(Listing[DeliveryRecord]):
    """A page of a message's deliveries."""

    wanted: DeliveryList


async def of_message(
    root: MessageRecord,
    info: Info,
    *,
    mode: list[DeliveryMode] | None = None,
    status: list[DeliveryStatus] | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> DeliveryListing:
    """The page of a message's deliveries that the arguments ask for. Raises `BadUserInput`."""
    context = info.context
    modes = None if mode is None else tuple(sorted(set(mode)))
    statuses = None if status is None else tuple(sorted(set(status)))
    asked = page(first=first, after=after, last=last, before=before)
    wanted = DeliveryList(root.id, Wanted(modes, statuses))
    found = await context.loaders.delivery_page.load((wanted, asked))
    await context.audit.load((Action.OPEN_RECIPIENTS, spell(Kind.MESSAGE, root.id)))
    return DeliveryListing(wanted.order(), found, wanted)


async def total_of_message(root: DeliveryListing, info: Info) -> int:
    """How many deliveries the list has."""
    return await info.context.loaders.delivery_count.load(root.wanted)


async def of_recipient(root: RecipientRecord, info: Info) -> Sequence[DeliveryRecord]:
    """A recipient's deliveries, in the order in which they came."""
    return await info.context.loaders.deliveries_of_recipient.load((root.message_id, root.number))


async def recipient_of_edge(root: Edge[DeliveryRecord], info: Info) -> RecipientRecord | None:
    """The recipient to whom a delivery goes."""
    delivery = root.node
    return await info.context.loaders.recipient.load(
        (delivery.message_id, delivery.recipient_number)
    )


async def events_of(root: DeliveryRecord, info: Info) -> Sequence[EventRecord]:
    """What happened to a delivery, oldest first; of one that was only recorded, that it was."""
    events = await info.context.loaders.events.load(root.key)
    if events or root.at is None:
        return events
    message = await info.context.loaders.message.load(root.message_id)
    if message is None or not message.is_recorded:
        return events
    return [EventRecord(root.at, root.status, root.call_status_code, EventSource.IMPORT, None)]


async def by_keys(info: Info, keys: Sequence[tuple[int, ...]]) -> Sequence[DeliveryRecord | None]:
    """The deliveries with these keys, as far as the viewer may see them; in the order of the keys."""
    context = info.context
    found = await context.loaders.delivery.load_many([DeliveryKey(*key) for key in keys])
    messages = {delivery.message_id for delivery in found if delivery is not None}
    await context.audit.load_many(
        [(Action.OPEN_RECIPIENTS, spell(Kind.MESSAGE, message)) for message in sorted(messages)]
    )
    return found


def label(delivery: DeliveryRecord) -> str:
    """The outcome as a report prints it: the call status where there is one, else the status."""
    if delivery.call_status_code is not None:
        return call_status(delivery.call_status_code).label
    return STATUS_LABELS[delivery.status]
