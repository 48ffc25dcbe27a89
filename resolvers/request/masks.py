"""Masks fields of records for viewers without VIEW_RECIPIENTS. `domain.masking` defines the masks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from db.sql.keyset_paging import Slice
from db.sql.rows import Rows
from domain.masking import MASK, mask, mask_values

K = TypeVar("K")
V = TypeVar("V")

FieldMask = Mapping[str, Callable[[Any], Any]]
"""The masking functions of some fields of a record."""


def _hidden(value: Any) -> str:
    return MASK


OF_CONTENT: Final[FieldMask] = {
    "body": _hidden,
    "text_body": mask,
    "voice_script": mask,
    "reply_to": mask,
    "filter_criteria": mask_values,
}
OF_CANCELLATION: Final[FieldMask] = {"reason": mask}
"""Staff write the reason for staff, so it may name a recipient."""
OF_PERSON: Final[FieldMask] = {"name": _hidden, "external_id": _hidden}
"""An id of the sending system identifies a person as its name does, and is often a login name."""
OF_RECIPIENT: Final[FieldMask] = {"name": _hidden, "student_name": mask}
OF_INBOX: Final[FieldMask] = {"student_name": mask}
OF_DELIVERY: Final[FieldMask] = {"address": _hidden}
OF_ADDRESS: Final[FieldMask] = {"value": _hidden}
OF_PROBLEM: Final[FieldMask] = {"note": mask}
"""Staff write the note for staff, so it may name a recipient."""
OF_EVENT: Final[FieldMask] = {"detail": mask}
"""Providers' texts often repeat the address that they refused."""


class Masker:
    """Masks fields of loaded records, unless the viewer may read them."""

    def __init__(self, *, masks: bool) -> None:
        self.masks = masks

    def records(self, values: Mapping[K, V], mask: FieldMask) -> Mapping[K, V]:
        """Records by key."""
        if not self.masks:
            return values
        return {key: _masked(record, mask) for key, record in values.items()}

    def lists(self, values: Mapping[K, Sequence[V]], mask: FieldMask) -> Mapping[K, Sequence[V]]:
        """Lists of records by key."""
        if not self.masks:
            return values
        return {key: [_masked(record, mask) for record in rows] for key, rows in values.items()}

    def rows(self, values: Mapping[K, Rows[V]], mask: FieldMask) -> Mapping[K, Rows[V]]:
        """Lists of raw rows by key."""
        if not self.masks:
            return values
        return {key: rows.changed(**mask) for key, rows in values.items()}

    def pages(self, values: Mapping[K, Slice[V]], mask: FieldMask) -> Mapping[K, Slice[V]]:
        """Pages of raw rows by key."""
        if not self.masks:
            return values
        return {key: one._replace(rows=one.rows.changed(**mask)) for key, one in values.items()}


def _masked(record: Any, mask: FieldMask) -> Any:
    return record._replace(**{field: hide(getattr(record, field)) for field, hide in mask.items()})
