"""Every relation, fetched once a level: what the objects of a list ask for one by one is one statement.

Each batch opens a connection of its own, since those of one level run side by side. What the viewer may not read leaves
here masked. Which list is meant by which arguments is said in the resolvers.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db import deliveries, districts, messages, recipients, reports, secrets, tallies
from db.engine import reading
from db.paging import Order, Slice
from db.sight import Sight
from domain import counting
from domain.masking import MASK, masked, masked_values
from domain.paging import Page
from resolvers.loading import Loader

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
L = TypeVar("L", "RecipientList", "DeliveryList", "PersonList", "ReportList")
Fetch = Callable[[AsyncConnection, Sequence[K]], Awaitable[Mapping[K, V]]]
FetchPages = Callable[[AsyncConnection, Sequence[L], Page], Awaitable[Mapping[int, Slice[V]]]]
FetchCounts = Callable[[AsyncConnection, Sequence[L]], Awaitable[Mapping[int, int]]]


class RecipientList(NamedTuple):
    """Those recipients of a message that were asked for, and what of each."""

    message_id: int
    wanted: recipients.Wanted
    fields: frozenset[str] | None = None

    def order(self, *, masks: bool) -> Order:
        """By name; a cursor holds what a row is sorted by, so where names are masked, in the order of the list."""
        scope = f"recipients of {self.message_id}: {self.wanted}"
        return recipients.in_order_of_list(scope) if masks else recipients.by_name(scope)


class DeliveryList(NamedTuple):
    """Those deliveries of a message that were asked for, and what of each."""

    message_id: int
    wanted: deliveries.Wanted
    fields: frozenset[str] | None = None

    def order(self) -> Order:
        return deliveries.in_order_of_list(f"deliveries of {self.message_id}: {self.wanted}")


class DeliveriesOf(NamedTuple):
    """The deliveries to one recipient of a message, and what of each was asked for."""

    message_id: int
    number: int
    fields: frozenset[str] | None = None


class PersonList(NamedTuple):
    """What a person was sent, in messages created from one instant to before another."""

    person_id: int
    created: tuple[datetime, datetime] | None

    def order(self) -> Order:
        return recipients.newest_first(f"sent to {self.person_id}: {self.created}")


class ReportList(NamedTuple):
    """The reports of a message."""

    message_id: int

    def order(self) -> Order:
        return reports.newest_first(f"reports of {self.message_id}")


Masks = Mapping[str, Callable[[Any], Any]]
"""What becomes of some fields of a record where the viewer may not read them."""


def _hidden(value: Any) -> str:
    return MASK


_OF_CONTENT: Final[Masks] = {
    "body": _hidden,
    "text_body": masked,
    "voice_script": masked,
    "reply_to": masked,
    "filter_criteria": masked_values,
}
_OF_CANCELLATION: Final[Masks] = {"reason": masked}
"""Why a message was stopped is written by staff to staff, and may well say whom it should not have reached."""
_OF_PERSON: Final[Masks] = {"name": _hidden}
_OF_RECIPIENT: Final[Masks] = {"name": _hidden, "student_name": masked}
_OF_DELIVERY: Final[Masks] = {"address": _hidden}
_OF_EVENT: Final[Masks] = {"detail": masked}
"""A provider's own words often repeat the address that it refused."""


def _veiled(record: Any, masks: Masks) -> Any:
    return record._replace(**{field: veil(getattr(record, field)) for field, veil in masks.items()})


def _together(asked: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    """What is asked for by any of some."""
    fields: frozenset[str] = frozenset()
    for some in asked:
        if some is None:
            return None
        fields |= some
    return fields


class Loaders:
    """The loaders of one request."""

    def __init__(self, engine: AsyncEngine, sight: Sight, *, masks: bool) -> None:
        self._engine = engine
        self._sight = sight
        self.masks = masks

        self.school = self._one(districts.schools)
        self.message = self._one(self._messages)
        self.content = self._one(self._contents)
        self.cancellation = self._one(self._cancellations)
        self.tallies: Loader[int, Sequence[counting.Tally]] = self._many(tallies.of_messages)
        self.spans: Loader[int, Sequence[tallies.SpanRecord]] = self._many(tallies.spans)
        self.person = self._one(self._people)
        self.recipient = self._one(self._recipients)
        self.delivery = self._one(self._deliveries)
        self.deliveries_of_recipient: Loader[DeliveriesOf, Sequence[deliveries.DeliveryRecord]] = (
            self._many(self._deliveries_of_recipients)
        )
        self.events: Loader[deliveries.DeliveryKey, Sequence[deliveries.EventRecord]] = self._many(
            self._events
        )
        self.recipient_page = self._lists(self._recipient_pages)
        self.recipient_count = self._counts(self._recipient_counts)
        self.delivery_page = self._lists(self._delivery_pages)
        self.delivery_count = self._counts(self._delivery_counts)
        self.person_page = self._lists(self._person_pages)
        self.person_count = self._counts(self._person_counts)
        self.report = self._one(self._reports)
        self.report_page = self._lists(self._report_pages)
        self.report_count = self._counts(self._report_counts)
        self.secret = self._one(secrets.secrets)

    def forget(self) -> None:
        """Forget what was loaded: this request has changed it."""
        for loader in vars(self).values():
            if isinstance(loader, Loader):
                loader.clear_all()

    async def settled(self) -> None:
        """Wait for what is still under way: an operation that has failed ends before what it had asked for."""
        for loader in list(vars(self).values()):
            if isinstance(loader, Loader):
                await loader.settled()

    def _one(self, fetch: Fetch[K, V]) -> Loader[K, V | None]:
        """A loader of what there is one of, or none."""

        async def batch(keys: list[K]) -> list[V | None]:
            async with reading(self._engine) as connection:
                found = await fetch(connection, keys)
            return [found.get(key) for key in keys]

        return Loader(batch)

    def _many(self, fetch: Fetch[K, Sequence[V]]) -> Loader[K, Sequence[V]]:
        """A loader of what there is any number of."""

        async def batch(keys: list[K]) -> list[Sequence[V]]:
            async with reading(self._engine) as connection:
                found = await fetch(connection, keys)
            return [found.get(key, ()) for key in keys]

        return Loader(batch)

    def _lists(self, fetch: FetchPages[L, V]) -> Loader[tuple[L, Page], Slice[V]]:
        """A loader of pages: the same page of the same list of many parents is one statement."""

        async def batch(keys: list[tuple[L, Page]]) -> list[Slice[V]]:
            alike: dict[Hashable, list[tuple[L, Page]]] = defaultdict(list)
            for wanted, page in keys:
                # A cursor belongs to the list of one parent, so that a page with one stands alone.
                has_cursor = page.after is not None or page.before is not None
                alike[(wanted if has_cursor else wanted[1:], page)].append((wanted, page))
            found: dict[tuple[L, Page], Slice[V]] = {}
            for group in alike.values():
                async with reading(self._engine) as connection:
                    pages = await fetch(connection, [wanted for wanted, _ in group], group[0][1])
                found |= {(wanted, page): pages[wanted[0]] for wanted, page in group}
            return [found[key] for key in keys]

        return Loader(batch)

    def _counts(self, fetch: FetchCounts[L]) -> Loader[L, int]:
        """A loader of how many there are in a list."""

        async def batch(keys: list[L]) -> list[int]:
            alike: dict[Hashable, list[L]] = defaultdict(list)
            for wanted in keys:
                alike[wanted[1:]].append(wanted)
            found: dict[L, int] = {}
            for group in alike.values():
                async with reading(self._engine) as connection:
                    counts = await fetch(connection, group)
                found |= {wanted: counts.get(wanted[0], 0) for wanted in group}
            return [found[key] for key in keys]

        return Loader(batch)

    async def _messages(
        self, connection: AsyncConnection, ids: Sequence[int]
    ) -> Mapping[int, messages.MessageRecord]:
        return await messages.messages(connection, ids, sight=self._sight)

    async def _contents(
        self, connection: AsyncConnection, ids: Sequence[int]
    ) -> Mapping[int, messages.ContentRecord]:
        found = await messages.contents(connection, ids)
        return self._mask(found, _OF_CONTENT)

    async def _cancellations(
        self, connection: AsyncConnection, ids: Sequence[int]
    ) -> Mapping[int, messages.CancellationRecord]:
        found = await messages.cancellations(connection, ids)
        return self._mask(found, _OF_CANCELLATION)

    async def _people(
        self, connection: AsyncConnection, ids: Sequence[int]
    ) -> Mapping[int, recipients.PersonRecord]:
        found = await recipients.people(connection, ids, sight=self._sight)
        return self._mask(found, _OF_PERSON)

    async def _recipients(
        self, connection: AsyncConnection, keys: Sequence[tuple[int, int]]
    ) -> Mapping[tuple[int, int], recipients.RecipientRecord]:
        found = await recipients.recipients(connection, keys, sight=self._sight)
        return self._mask(found, _OF_RECIPIENT)

    async def _deliveries(
        self, connection: AsyncConnection, keys: Sequence[deliveries.DeliveryKey]
    ) -> Mapping[deliveries.DeliveryKey, deliveries.DeliveryRecord]:
        found = await deliveries.deliveries(connection, keys, sight=self._sight)
        return self._mask(found, _OF_DELIVERY)

    async def _deliveries_of_recipients(
        self, connection: AsyncConnection, lists: Sequence[DeliveriesOf]
    ) -> Mapping[DeliveriesOf, Sequence[deliveries.DeliveryRecord]]:
        rows = await deliveries.of_recipients(
            connection,
            list({(wanted.message_id, wanted.number): None for wanted in lists}),
            fields=_together(wanted.fields for wanted in lists),
        )
        found = {wanted: rows[wanted[:2]] for wanted in lists if wanted[:2] in rows}
        if not self.masks:
            return found
        return {key: some.changed(**_OF_DELIVERY) for key, some in found.items()}

    async def _events(
        self, connection: AsyncConnection, keys: Sequence[deliveries.DeliveryKey]
    ) -> Mapping[deliveries.DeliveryKey, Sequence[deliveries.EventRecord]]:
        found = await deliveries.events(connection, keys)
        if not self.masks:
            return found
        return {key: [_veiled(event, _OF_EVENT) for event in some] for key, some in found.items()}

    async def _recipient_pages(
        self, connection: AsyncConnection, lists: Sequence[RecipientList], page: Page
    ) -> Mapping[int, Slice[recipients.RecipientRecord]]:
        pages = await recipients.pages_of_messages(
            connection,
            [wanted.message_id for wanted in lists],
            wanted=lists[0].wanted,
            order=lists[0].order(masks=self.masks),
            page=page,
            fields=lists[0].fields,
        )
        return {key: self._mask_rows(one, _OF_RECIPIENT) for key, one in pages.items()}

    async def _recipient_counts(
        self, connection: AsyncConnection, lists: Sequence[RecipientList]
    ) -> Mapping[int, int]:
        ids = [wanted.message_id for wanted in lists]
        return await recipients.counts_of_messages(connection, ids, wanted=lists[0].wanted)

    async def _delivery_pages(
        self, connection: AsyncConnection, lists: Sequence[DeliveryList], page: Page
    ) -> Mapping[int, Slice[deliveries.DeliveryRecord]]:
        pages = await deliveries.pages_of_messages(
            connection,
            [wanted.message_id for wanted in lists],
            wanted=lists[0].wanted,
            order=lists[0].order(),
            page=page,
            fields=lists[0].fields,
        )
        return {key: self._mask_rows(one, _OF_DELIVERY) for key, one in pages.items()}

    async def _delivery_counts(
        self, connection: AsyncConnection, lists: Sequence[DeliveryList]
    ) -> Mapping[int, int]:
        ids = [wanted.message_id for wanted in lists]
        return await deliveries.counts_of_messages(connection, ids, wanted=lists[0].wanted)

    async def _person_pages(
        self, connection: AsyncConnection, lists: Sequence[PersonList], page: Page
    ) -> Mapping[int, Slice[recipients.RecipientRecord]]:
        pages = await recipients.pages_of_people(
            connection,
            [wanted.person_id for wanted in lists],
            created=recipients.created_between(lists[0].created),
            sight=self._sight,
            order=lists[0].order(),
            page=page,
        )
        return {key: self._mask_rows(one, _OF_RECIPIENT) for key, one in pages.items()}

    async def _person_counts(
        self, connection: AsyncConnection, lists: Sequence[PersonList]
    ) -> Mapping[int, int]:
        return await recipients.counts_of_people(
            connection,
            [wanted.person_id for wanted in lists],
            created=recipients.created_between(lists[0].created),
            sight=self._sight,
        )

    async def _reports(
        self, connection: AsyncConnection, ids: Sequence[int]
    ) -> Mapping[int, reports.ReportRecord]:
        return await reports.reports(connection, ids, sight=self._sight, masks=self.masks)

    async def _report_pages(
        self, connection: AsyncConnection, lists: Sequence[ReportList], page: Page
    ) -> Mapping[int, Slice[reports.ReportRecord]]:
        return await reports.pages_of_messages(
            connection,
            [wanted.message_id for wanted in lists],
            sight=self._sight,
            masks=self.masks,
            order=lists[0].order(),
            page=page,
        )

    async def _report_counts(
        self, connection: AsyncConnection, lists: Sequence[ReportList]
    ) -> Mapping[int, int]:
        ids = [wanted.message_id for wanted in lists]
        return await reports.counts_of_messages(connection, ids, masks=self.masks)

    def _mask_rows(self, one: Slice[V], masks: Masks) -> Slice[V]:
        return one._replace(rows=one.rows.changed(**masks)) if self.masks else one

    def _mask(self, found: Mapping[K, V], masks: Masks) -> Mapping[K, V]:
        if not self.masks:
            return found
        return {key: _veiled(record, masks) for key, record in found.items()}
