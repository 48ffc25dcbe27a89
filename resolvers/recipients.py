"""Recipients of a message, what a person was sent, and the deliveries to each.

Each opening of recipients is written into the audit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import strawberry

from db.audit import Action
from db.messages import MessageRecord
from db.recipients import PersonRecord, RecipientOutcome, RecipientRecord, Wanted
from domain.ids import Kind, key_of, spell
from domain.paging import page
from domain.viewer import Right
from resolvers.context import Info
from resolvers.days import DateRange
from resolvers.listing import Edge, Listing
from resolvers.loaders import PersonList, RecipientList
from resolvers.typed import typed

strawberry.enum(RecipientOutcome)


@dataclass(frozen=True, slots=True)
class RecipientListing(Listing[RecipientRecord]):
    """A page of a message's recipients."""

    wanted: RecipientList


@dataclass(frozen=True, slots=True)
class PersonListing(Listing[RecipientRecord]):
    """A page of what a person was sent."""

    wanted: PersonList


async def of_message(
    root: MessageRecord,
    info: Info,
    *,
    search: str | None = None,
    outcome: RecipientOutcome | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> RecipientListing:
    """The page of a message's recipients that the arguments ask for. Raises `BadUserInput` and `Forbidden`."""
    context = info.context
    if search:
        context.viewer.require(Right.VIEW_RECIPIENTS)
    asked = page(first=first, after=after, last=last, before=before)
    wanted = RecipientList(root.id, Wanted(typed(search, argument="search"), outcome))
    found = await context.loaders.recipient_page.load((wanted, asked))
    await context.audit.load((Action.OPEN_RECIPIENTS, spell(Kind.MESSAGE, root.id)))
    return RecipientListing(wanted.order(masks=context.loaders.masks), found, wanted)


async def total_of_message(root: RecipientListing, info: Info) -> int:
    """How many recipients the list has."""
    return await info.context.loaders.recipient_count.load(root.wanted)


async def person_by_id(info: Info, id: strawberry.ID) -> PersonRecord | None:
    """The person with this id, if something was sent to it that the viewer may see."""
    info.context.viewer.require(Right.VIEW_LOG)
    key = key_of(Kind.PERSON, id)
    return None if key is None else (await people_by_keys(info, [key]))[0]


async def of_person(
    root: PersonRecord,
    info: Info,
    *,
    created_between: DateRange | None = None,
    first: int | None = None,
    after: str | None = None,
) -> PersonListing:
    """The page of what a person was sent, newest first. Raises `BadUserInput`."""
    context = info.context
    zone = ZoneInfo(context.sight.district.time_zone)
    wanted = PersonList(root.id, created_between.instants(zone) if created_between else None)
    asked = page(first=first, after=after, last=None, before=None)
    found = await context.loaders.person_page.load((wanted, asked))
    await context.audit.load((Action.OPEN_PERSON, spell(Kind.PERSON, root.id)))
    return PersonListing(wanted.order(), found, wanted)


async def total_of_person(root: PersonListing, info: Info) -> int:
    """How often the person stands in a list."""
    return await info.context.loaders.person_count.load(root.wanted)


async def person_of(root: RecipientRecord, info: Info) -> PersonRecord | None:
    """The person that a recipient is."""
    return await info.context.loaders.person.load(root.person_id)


async def message_of_edge(root: Edge[RecipientRecord], info: Info) -> MessageRecord | None:
    """The message that was sent."""
    return await info.context.loaders.message.load(root.node.message_id)


async def people_by_keys(
    info: Info, keys: Sequence[tuple[int, ...]]
) -> Sequence[PersonRecord | None]:
    """The people with these keys to whom something was sent that the viewer may see; in the order of the keys."""
    context = info.context
    found = await context.loaders.person.load_many([key[0] for key in keys])
    opened = [person.id for person in found if person is not None]
    await context.audit.load_many(
        [(Action.OPEN_PERSON, spell(Kind.PERSON, person)) for person in opened]
    )
    return found


async def by_keys(info: Info, keys: Sequence[tuple[int, ...]]) -> Sequence[RecipientRecord | None]:
    """The recipients with these keys, as far as the viewer may see them; in the order of the keys."""
    context = info.context
    found = await context.loaders.recipient.load_many([(key[0], key[1]) for key in keys])
    messages = {recipient.message_id for recipient in found if recipient is not None}
    await context.audit.load_many(
        [(Action.OPEN_RECIPIENTS, spell(Kind.MESSAGE, message)) for message in sorted(messages)]
    )
    return found
