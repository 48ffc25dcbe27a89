"""The keys of lists in loaders: the parent, the filter, and the fields to read."""

from datetime import datetime
from typing import NamedTuple

from db.log import deliveries, people, recipients
from db.log.recipients_with_deliveries import Ordered, RequestedFields
from db.reports import records
from db.sql.keyset_paging import Order
from domain.people import Role


class RecipientList(NamedTuple):
    """Recipients of a message that match a filter, with the fields to read."""

    message_id: int
    wanted: recipients.RecipientFilter
    shown: RequestedFields = RequestedFields(None)

    @property
    def scope(self) -> str:
        """The text that binds its cursors to this list."""
        return f"recipients of {self.message_id}: {self.wanted}"

    def order(self, *, masks: bool) -> Order:
        """The order of its pages."""
        return self.ordered(masks=masks)(self.scope)

    @staticmethod
    def ordered(*, masks: bool) -> Ordered:
        """By name. A cursor contains the sort key, so if names are masked, in the order of the list instead."""
        return recipients.in_order_of_list if masks else recipients.by_name


class DeliveryList(NamedTuple):
    """Deliveries of a message that match a filter, with the fields to read."""

    message_id: int
    wanted: deliveries.DeliveryFilter
    fields: frozenset[str] | None = None

    def order(self) -> Order:
        return deliveries.in_order_of_list(f"deliveries of {self.message_id}: {self.wanted}")


class DeliveriesOf(NamedTuple):
    """The deliveries to one recipient of a message, with the fields to read."""

    message_id: int
    number: int
    fields: frozenset[str] | None = None


class PersonList(NamedTuple):
    """What a contact was sent, or was sent about a student, in messages created in a range of instants, the end excluded."""

    person_id: int
    created: tuple[datetime, datetime] | None
    role: Role = Role.CONTACT

    def order(self) -> Order:
        concerns = "sent to" if self.role is Role.CONTACT else "sent about"
        return people.by_time(f"{concerns} {self.person_id}: {self.created}", descending=True)


class RelatedPeople(NamedTuple):
    """The students of a contact, or the contacts of a student."""

    person_id: int
    role: Role


class ReportList(NamedTuple):
    """The reports of a message."""

    message_id: int

    def order(self) -> Order:
        return records.newest_first(f"reports of {self.message_id}")
