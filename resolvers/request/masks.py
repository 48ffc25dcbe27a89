"""What becomes of records before somebody sees them who may not read of whom they are. What a mask looks like is the domain's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from db.sql.keyset_paging import Slice
from db.sql.rows import Rows
from domain.masking import MASK, masked, masked_values

K = TypeVar("K")
V = TypeVar("V")

Veil = Mapping[str, Callable[[Any], Any]]
"""What becomes of some fields of a record."""


def _hidden(value: Any) -> str:
    return MASK


OF_CONTENT: Final[Veil] = {
    "body": _hidden,
    "text_body": masked,
    "voice_script": masked,
    "reply_to": masked,
    "filter_criteria": masked_values,
}
OF_CANCELLATION: Final[Veil] = {"reason": masked}
"""Why a message was stopped is written by staff to staff, and may well say whom it should not have reached."""
OF_PERSON: Final[Veil] = {"name": _hidden}
OF_RECIPIENT: Final[Veil] = {"name": _hidden, "student_name": masked}
OF_DELIVERY: Final[Veil] = {"address": _hidden}
OF_EVENT: Final[Veil] = {"detail": masked}
"""A provider's own words often repeat the address that it refused."""


class Veils:
    """Puts veils on what is loaded for a viewer, or for one who may read all, none."""

    def __init__(self, *, masks: bool) -> None:
        self.masks = masks

    def records(self, found: Mapping[K, V], veil: Veil) -> Mapping[K, V]:
        """Records, by whatever."""
        if not self.masks:
            return found
        return {key: _veiled(record, veil) for key, record in found.items()}

    def lists(self, found: Mapping[K, Sequence[V]], veil: Veil) -> Mapping[K, Sequence[V]]:
        """Lists of records."""
        if not self.masks:
            return found
        return {key: [_veiled(record, veil) for record in some] for key, some in found.items()}

    def rows(self, found: Mapping[K, Rows[V]], veil: Veil) -> Mapping[K, Rows[V]]:
        """Lists of rows."""
        if not self.masks:
            return found
        return {key: some.changed(**veil) for key, some in found.items()}

    def pages(self, found: Mapping[K, Slice[V]], veil: Veil) -> Mapping[K, Slice[V]]:
        """Pages of rows."""
        if not self.masks:
            return found
        return {key: one._replace(rows=one.rows.changed(**veil)) for key, one in found.items()}


def _veiled(record: Any, veil: Veil) -> Any:
    return record._replace(**{field: hide(getattr(record, field)) for field, hide in veil.items()})
