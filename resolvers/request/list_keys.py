"""Which list is meant, by whose and by what was asked for: what a page or a count of it is loaded under.

Which arguments mean which list is said in the resolvers.
"""

from datetime import datetime
from typing import NamedTuple

from db.log import deliveries, recipients
from db.log.recipients_with_deliveries import Ordered, Shown
from db.reports import records
from db.sql.keyset_paging import Order


class RecipientList(NamedTuple):
    """Those recipients of a message that were asked for, and what of each."""

    message_id: int
    wanted: recipients.Wanted
    shown: Shown = Shown(None)

    @property
    def scope(self) -> str:
        """What a cursor of it depends on."""
        return f"recipients of {self.message_id}: {self.wanted}"

    def order(self, *, masks: bool) -> Order:
        """The order in which it is paged."""
        return self.ordered(masks=masks)(self.scope)

    @staticmethod
    def ordered(*, masks: bool) -> Ordered:
        """By name; a cursor holds what a row is sorted by, so where names are masked, in the order of the list."""
        return recipients.in_order_of_list if masks else recipients.by_name


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
        return records.newest_first(f"reports of {self.message_id}")
