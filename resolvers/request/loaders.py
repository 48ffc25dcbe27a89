"""The loaders of all relations: one statement loads the keys of a whole level.

Each batch uses its own connection, since batches of one level run concurrently. Records are masked here if the viewer may
not read them.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from db.connect.database import Database
from db.log import (
    counters,
    deliveries,
    districts,
    messages,
    people,
    recipients,
    recipients_with_deliveries,
)
from db.log.counters import Counters
from db.log.deliveries import DeliveryKey, DeliveryRecord, EventRecord
from db.log.districts import SchoolRecord
from db.log.messages import CancellationRecord, ContentRecord, MessageRecord
from db.log.people import PersonRecord, StudentRecord
from db.log.recipients import RecipientRecord
from db.log.visibility import Visibility
from db.reports import records, secrets
from db.reports.records import ReportRecord
from db.sql.keyset_paging import Slice
from db.sql.rows import Rows
from domain.paging import Page
from resolvers.addresses.loaders import AddressLoaders
from resolvers.log.loaders import MessageStateLoaders
from resolvers.request import masks
from resolvers.request.list_keys import (
    DeliveriesOf,
    DeliveryList,
    PersonList,
    RecipientList,
    RelatedPeople,
    ReportList,
)
from resolvers.request.loader import (
    Loader,
    PageLoader,
    count_loader,
    page_loader,
    union_of,
    value_loader,
)
from resolvers.request.masks import Masker


class Loaders(MessageStateLoaders, AddressLoaders):
    """The loaders of one request, created on first use."""

    def __init__(self, database: Database, visibility: Visibility, *, masks: bool) -> None:
        super().__init__(database, visibility, masker=Masker(masks=masks))
        self._keyed = database.generic
        self.masks = masks
        self.sent: dict[frozenset[str] | None, Mapping[tuple[int, int], Rows[DeliveryRecord]]] = {}
        """Deliveries that were loaded with a page of recipients, by the fields that were read of them."""

    def forget(self) -> None:
        """Clear all loaders, after this request has changed rows."""
        self.sent.clear()
        for loader in self._all():
            loader.clear_all()

    async def wait_until_idle(self) -> None:
        """Wait for all pending loads of a failed operation."""
        for loader in self._all():
            await loader.wait_until_idle()

    def _all(self) -> Sequence[Loader[Any, Any]]:
        return [loader for loader in vars(self).values() if isinstance(loader, Loader)]

    # Messages

    @cached_property
    def message(self) -> Loader[int, MessageRecord | None]:
        async def fetch(ids: Sequence[int]) -> Mapping[int, MessageRecord]:
            return await messages.messages(self._keyed, ids, visibility=self.visibility)

        return value_loader(fetch)

    @cached_property
    def counted_message(self) -> Loader[int, MessageRecord | None]:
        """Messages together with their counters, loaded by one statement."""

        async def fetch(ids: Sequence[int]) -> Mapping[int, MessageRecord]:
            rows = await counters.counted_messages(self._keyed, ids, visibility=self.visibility)
            for id, (message, own) in rows.items():
                self.message.prime(id, message)
                self.counters.prime(id, own)
            return {id: message for id, (message, _) in rows.items()}

        return value_loader(fetch)

    @cached_property
    def counters(self) -> Loader[int, Counters]:
        async def fetch(ids: Sequence[int]) -> Mapping[int, Counters]:
            return await counters.of_messages(self._keyed, ids)

        return value_loader(fetch, Counters())

    @cached_property
    def content(self) -> Loader[int, ContentRecord | None]:
        async def fetch(ids: Sequence[int]) -> Mapping[int, ContentRecord]:
            rows = await messages.contents(self._keyed, ids)
            return self.masker.records(rows, masks.OF_CONTENT)

        return value_loader(fetch)

    @cached_property
    def content_of_inbox(self) -> Loader[int, ContentRecord | None]:
        """Contents that are not masked, for readers of an inbox, who see its bodies with READ_INBOX alone."""

        async def fetch(ids: Sequence[int]) -> Mapping[int, ContentRecord]:
            return await messages.contents(self._keyed, ids)

        return value_loader(fetch)

    @cached_property
    def cancellation(self) -> Loader[int, CancellationRecord | None]:
        async def fetch(ids: Sequence[int]) -> Mapping[int, CancellationRecord]:
            rows = await messages.cancellations(self._keyed, ids)
            return self.masker.records(rows, masks.OF_CANCELLATION)

        return value_loader(fetch)

    @cached_property
    def school(self) -> Loader[int, SchoolRecord | None]:
        async def fetch(ids: Sequence[int]) -> Mapping[int, SchoolRecord]:
            return await districts.schools(self._keyed, ids)

        return value_loader(fetch)

    # Recipients and people

    @cached_property
    def recipient(self) -> Loader[tuple[int, int], RecipientRecord | None]:
        async def fetch(
            keys: Sequence[tuple[int, int]],
        ) -> Mapping[tuple[int, int], RecipientRecord]:
            async with self.database.reading() as connection:
                rows = await recipients.recipients(connection, keys, visibility=self.visibility)
            return self.masker.records(rows, masks.OF_RECIPIENT)

        return value_loader(fetch)

    @cached_property
    def recipient_page(self) -> PageLoader[RecipientList, RecipientRecord]:
        async def fetch(
            lists: Sequence[RecipientList], page: Page
        ) -> Mapping[int, Slice[RecipientRecord]]:
            if len(lists) == 1 and lists[0].wanted == recipients.ALL:
                return {lists[0].message_id: await self._recipients_ofvalue_loader(lists[0], page)}
            async with self.database.reading() as connection:
                pages = await recipients.pages_of_messages(
                    connection,
                    [wanted.message_id for wanted in lists],
                    wanted=lists[0].wanted,
                    order=lists[0].order(masks=self.masks),
                    page=page,
                    fields=lists[0].shown.recipients,
                )
            return self.masker.pages(pages, masks.OF_RECIPIENT)

        return page_loader(fetch)

    async def _recipients_ofvalue_loader(
        self, wanted: RecipientList, page: Page
    ) -> Slice[RecipientRecord]:
        rows, sent = await recipients_with_deliveries.page_of_message(
            self._keyed,
            wanted.message_id,
            ordered=wanted.ordered(masks=self.masks),
            scope=wanted.scope,
            page=page,
            shown=wanted.shown,
        )
        if wanted.shown.has_deliveries:
            fields = wanted.shown.deliveries
            known = self.sent.get(fields, {})
            self.sent[fields] = {**known, **self.masker.rows(sent, masks.OF_DELIVERY)}
        return self.masker.pages({0: rows}, masks.OF_RECIPIENT)[0]

    @cached_property
    def recipient_count(self) -> Loader[RecipientList, int]:
        async def fetch(lists: Sequence[RecipientList]) -> Mapping[int, int]:
            ids = [wanted.message_id for wanted in lists]
            async with self.database.reading() as connection:
                return await recipients.counts_of_messages(connection, ids, wanted=lists[0].wanted)

        return count_loader(fetch)

    @cached_property
    def person(self) -> Loader[int, PersonRecord | None]:
        async def fetch(ids: Sequence[int]) -> Mapping[int, PersonRecord]:
            async with self.database.reading() as connection:
                rows = await people.contacts(connection, ids, visibility=self.visibility)
            return self.masker.records(rows, masks.OF_PERSON)

        return value_loader(fetch)

    @cached_property
    def student(self) -> Loader[int, StudentRecord | None]:
        async def fetch(ids: Sequence[int]) -> Mapping[int, StudentRecord]:
            async with self.database.reading() as connection:
                rows = await people.students(connection, ids, visibility=self.visibility)
            return self.masker.records(rows, masks.OF_PERSON)

        return value_loader(fetch)

    @cached_property
    def related_people(self) -> Loader[RelatedPeople, Sequence[int]]:
        async def fetch(
            lists: Sequence[RelatedPeople],
        ) -> Mapping[RelatedPeople, Sequence[int]]:
            related: dict[RelatedPeople, Sequence[int]] = {}
            for role in {wanted.role for wanted in lists}:
                ids = [wanted.person_id for wanted in lists if wanted.role is role]
                async with self.database.reading() as connection:
                    rows = await people.related_people(
                        connection, ids, role=role, visibility=self.visibility
                    )
                related |= {RelatedPeople(id, role): others for id, others in rows.items()}
            return related

        return value_loader(fetch, ())

    @cached_property
    def person_page(self) -> PageLoader[PersonList, RecipientRecord]:
        async def fetch(
            lists: Sequence[PersonList], page: Page
        ) -> Mapping[int, Slice[RecipientRecord]]:
            async with self.database.reading() as connection:
                pages = await people.pages_of_people(
                    connection,
                    [wanted.person_id for wanted in lists],
                    role=lists[0].role,
                    created=people.created_between(lists[0].created),
                    visibility=self.visibility,
                    order=lists[0].order(),
                    page=page,
                )
            return self.masker.pages(pages, masks.OF_RECIPIENT)

        return page_loader(fetch)

    @cached_property
    def person_count(self) -> Loader[PersonList, int]:
        async def fetch(lists: Sequence[PersonList]) -> Mapping[int, int]:
            async with self.database.reading() as connection:
                return await people.counts_of_people(
                    connection,
                    [wanted.person_id for wanted in lists],
                    role=lists[0].role,
                    created=people.created_between(lists[0].created),
                    visibility=self.visibility,
                )

        return count_loader(fetch)

    # Deliveries

    @cached_property
    def delivery(self) -> Loader[DeliveryKey, DeliveryRecord | None]:
        async def fetch(keys: Sequence[DeliveryKey]) -> Mapping[DeliveryKey, DeliveryRecord]:
            async with self.database.reading() as connection:
                rows = await deliveries.deliveries(connection, keys, visibility=self.visibility)
            return self.masker.records(rows, masks.OF_DELIVERY)

        return value_loader(fetch)

    @cached_property
    def deliveries_of_recipient(self) -> Loader[DeliveriesOf, Sequence[DeliveryRecord]]:
        async def fetch(
            lists: Sequence[DeliveriesOf],
        ) -> Mapping[DeliveriesOf, Sequence[DeliveryRecord]]:
            keys = list({(wanted.message_id, wanted.number): None for wanted in lists})
            fields = union_of(wanted.fields for wanted in lists)
            rows = await deliveries.of_recipients(self._keyed, keys, fields=fields)
            rows = self.masker.rows(rows, masks.OF_DELIVERY)
            return {wanted: rows[wanted[:2]] for wanted in lists if wanted[:2] in rows}

        return value_loader(fetch, ())

    @cached_property
    def delivery_page(self) -> PageLoader[DeliveryList, DeliveryRecord]:
        async def fetch(
            lists: Sequence[DeliveryList], page: Page
        ) -> Mapping[int, Slice[DeliveryRecord]]:
            async with self.database.reading() as connection:
                pages = await deliveries.pages_of_messages(
                    connection,
                    [wanted.message_id for wanted in lists],
                    wanted=lists[0].wanted,
                    order=lists[0].order(),
                    page=page,
                    fields=lists[0].fields,
                )
            return self.masker.pages(pages, masks.OF_DELIVERY)

        return page_loader(fetch)

    @cached_property
    def delivery_count(self) -> Loader[DeliveryList, int]:
        async def fetch(lists: Sequence[DeliveryList]) -> Mapping[int, int]:
            ids = [wanted.message_id for wanted in lists]
            async with self.database.reading() as connection:
                return await deliveries.counts_of_messages(connection, ids, wanted=lists[0].wanted)

        return count_loader(fetch)

    @cached_property
    def events(self) -> Loader[DeliveryKey, Sequence[EventRecord]]:
        async def fetch(keys: Sequence[DeliveryKey]) -> Mapping[DeliveryKey, Sequence[EventRecord]]:
            rows = await deliveries.events(self._keyed, keys)
            return self.masker.lists(rows, masks.OF_EVENT)

        return value_loader(fetch, ())

    # Reports

    @cached_property
    def report(self) -> Loader[int, ReportRecord | None]:
        async def fetch(ids: Sequence[int]) -> Mapping[int, ReportRecord]:
            async with self.database.reading() as connection:
                return await records.reports(
                    connection, ids, visibility=self.visibility, masks=self.masks
                )

        return value_loader(fetch)

    @cached_property
    def report_page(self) -> PageLoader[ReportList, ReportRecord]:
        async def fetch(
            lists: Sequence[ReportList], page: Page
        ) -> Mapping[int, Slice[ReportRecord]]:
            async with self.database.reading() as connection:
                return await records.pages_of_messages(
                    connection,
                    [wanted.message_id for wanted in lists],
                    visibility=self.visibility,
                    masks=self.masks,
                    order=lists[0].order(),
                    page=page,
                )

        return page_loader(fetch)

    @cached_property
    def report_count(self) -> Loader[ReportList, int]:
        async def fetch(lists: Sequence[ReportList]) -> Mapping[int, int]:
            ids = [wanted.message_id for wanted in lists]
            async with self.database.reading() as connection:
                return await records.counts_of_messages(connection, ids, masks=self.masks)

        return count_loader(fetch)

    @cached_property
    def secret(self) -> Loader[str, bytes | None]:
        async def fetch(names: Sequence[str]) -> Mapping[str, bytes]:
            async with self.database.reading() as connection:
                return await secrets.secrets(connection, names)

        return value_loader(fetch)
