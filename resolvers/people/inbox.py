"""Resolves the inbox of one portal account, for a service with READ_INBOX. Reading it adds an audit entry.

The bodies in this list are whole, whatever else the viewer may see. All other fields are masked as everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from db.audit.entries import Action
from db.log.deliveries import DeliveryKey, DeliveryRecord
from db.log.inbox import InboxRecord, account_known_as, newest_first, page_of_account
from db.log.messages import ContentRecord
from domain.addresses import InvalidAddress, normalise
from domain.errors import BadUserInput
from domain.ids import Kind, spell
from domain.message import BodyFormat
from domain.paging import page
from domain.status import DeliveryMode
from domain.texts import with_line_feeds
from domain.viewer import Right
from resolvers.request import masks
from resolvers.request.arguments import require_storable
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.connection import Listing
from resolvers.request.context import Info
from resolvers.request.masks import Masker


@dataclass(frozen=True, slots=True)
class InboxListing(Listing[InboxRecord]):
    """A page of an inbox."""


async def inbox(
    info: Info, *, account: str, first: int | None = None, after: str | None = None
) -> InboxListing:
    """The page of what is in the inbox of `account`, newest first. Raises `BadUserInput` and `Forbidden`."""
    context = info.context
    context.viewer.require(Right.READ_INBOX)
    key = _key(account)
    visibility = context.visibility
    wanted_page = page(first=first, after=after, last=None, before=None)
    order = newest_first(("inbox", visibility.district.id, key))
    async with context.database.reading() as connection:
        known = await account_known_as(connection, key, district_id=visibility.district.id)
        slice_ = await page_of_account(
            connection, known, visibility=visibility, order=order, page=wanted_page
        )
    if known is not None:
        await context.audit.load((Action.OPEN_INBOX, spell(Kind.ADDRESS, known)))
    masker = Masker(masks=context.loaders.masks)
    return InboxListing(order, masker.pages({0: slice_}, masks.OF_INBOX)[0])


def _key(account: str) -> str:
    require_storable(account, argument="account")
    try:
        return normalise(DeliveryMode.INBOX, account).key
    except InvalidAddress as error:
        raise BadUserInput(
            f"account is no name of a portal account: {error}. Give it as messages name it."
        ) from None


@BatchResolver
async def delivery_of(root: Sequence[InboxRecord], info: Info) -> Sequence[DeliveryRecord | None]:
    """The delivery of each item."""
    return await info.context.loaders.delivery.load_all([DeliveryKey(*item[:3]) for item in root])


@BatchResolver
async def body(root: Sequence[InboxRecord], info: Info) -> Sequence[str]:
    """The body of each item, not masked, with line breaks as in the email."""
    return [with_line_feeds(content.body) for content in await _contents(root, info)]


@BatchResolver
async def body_format(root: Sequence[InboxRecord], info: Info) -> Sequence[BodyFormat]:
    """The format of each body."""
    return [content.body_format for content in await _contents(root, info)]


async def _contents(root: Sequence[InboxRecord], info: Info) -> Sequence[ContentRecord]:
    ids = [item.message_id for item in root]
    contents = await info.context.loaders.content_of_inbox.load_all(ids)
    found = [content for content in contents if content is not None]
    assert len(found) == len(root), "there are messages without content"
    return found
