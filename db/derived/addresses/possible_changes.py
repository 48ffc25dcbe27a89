"""Which changes of deliveries may change the states of their addresses."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from db.derived.addresses.states import FateChange, PossibleChange
from domain.contact_problems import Fate
from domain.status import OPEN, DeliveryStatus

_SILENT: Final = OPEN | {DeliveryStatus.CANCELED}


class ChangedDelivery(Protocol):
    """The facts of a delivery, before or after a change, on which the state of its address depends."""

    @property
    def address_id(self) -> int: ...
    @property
    def status(self) -> DeliveryStatus: ...
    @property
    def call_status(self) -> int | None: ...
    @property
    def confirmed(self) -> bool: ...
    @property
    def is_duplicate(self) -> bool: ...
    @property
    def complained_at(self) -> datetime | None: ...
    @property
    def fate(self) -> Fate | None: ...


def possible_changes(
    changes: Iterable[tuple[ChangedDelivery, ChangedDelivery]],
) -> Iterator[PossibleChange]:
    """Yield the changes that may change the states of addresses. Claims, cancellations and duplicates never do."""
    for before, after in changes:
        is_complaint = before.complained_at != after.complained_at
        if is_complaint or not (after.is_duplicate or (_is_silent(before) and _is_silent(after))):
            may_fail = is_complaint or after.status is DeliveryStatus.FAILED
            yield PossibleChange(after.address_id, may_fail, partial(_fate_change, before, after))


def _is_silent(delivery: ChangedDelivery) -> bool:
    has_code = delivery.call_status is not None or delivery.confirmed
    return delivery.status in _SILENT and not has_code


def _fate_change(before: ChangedDelivery, after: ChangedDelivery) -> FateChange:
    return FateChange(
        after.address_id,
        before.fate,
        after.fate,
        is_complaint=before.complained_at != after.complained_at,
    )
