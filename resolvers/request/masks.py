"""What becomes of records before somebody sees them who may not read of whom they are. What a mask looks like is the domain's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from db.sql.keyset_paging import Slice
from db.sql.rows import Rows
from domain.masking import MASK, masked, masked_values

K = TypeVar("K")
V = TypeVar("V")

FieldMask = Mapping[str, Callable[[Any], Any]]
"""What becomes of some fields of a record."""


def _hidden(value: Any) -> str:
    return MASK


OF_CONTENT: Final[FieldMask] = {
    "body": _hidden,
    "text_body": masked,
    "voice_script": masked,
    "reply_to": masked,
    "filter_criteria": masked_values,
}
OF_CANCELLATION: Final[FieldMask] = {"reason": masked}
"""Why a message was stopped is written by staff to staff, and may well say whom it should not have reached."""
OF_PERSON: Final[FieldMask] = {"name": _hidden}
OF_RECIPIENT: Final[FieldMask] = {"name": _hidden, "student_name": masked}
OF_DELIVERY: Final[FieldMask] = {"address": _hidden}
OF_EVENT: Final[FieldMask] = {"detail": masked}
"""A provider's own words often repeat the address that it refused."""


class Masker:
    """Masks fields of loaded records, unless the viewer may read them."""

    def __init__(self, *, masks: bool) -> None:
        self.masks = masks

    def records(self, found: Mapping[K, V], mask: FieldMask) -> Mapping[K, V]:
        """Records, by whatever."""
        if not self.masks:
            return found
        return {key: _masked(record, mask) for key, record in found.items()}

    def lists(self, found: Mapping[K, Sequence[V]], mask: FieldMask) -> Mapping[K, Sequence[V]]:
        """Lists of records."""
        if not self.masks:
            return found
        return {key: [_masked(record, mask) for record in some] for key, some in found.items()}

    def rows(self, found: Mapping[K, Rows[V]], mask: FieldMask) -> Mapping[K, Rows[V]]:
        """Lists of rows."""
        if not self.masks:
            return found
        return {key: some.changed(**mask) for key, some in found.items()}

    def pages(self, found: Mapping[K, Slice[V]], mask: FieldMask) -> Mapping[K, Slice[V]]:
        """Pages of rows."""
        if not self.masks:
            return found
        return {key: one._replace(rows=one.rows.changed(**mask)) for key, one in found.items()}


def _masked(record: Any, mask: FieldMask) -> Any:
    return record._replace(**{field: hide(getattr(record, field)) for field, hide in mask.items()})
