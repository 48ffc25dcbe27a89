"""The codes of the outcomes of calls and texts, from the manual's table (`call_statuses.csv` in this folder).

Each gateway maps its provider's statuses to these codes.
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, NamedTuple

INVALID_NUMBER: Final = -2
TEXT_SENT: Final = -27
OPTED_OUT: Final = -33
DUPLICATE: Final = -4
NO_RESPONSE: Final = -5


class CallStatus(NamedTuple):
    """One code: its label and note, whether it counts as contacted, whether no further report is expected."""

    code: int
    label: str
    note: str
    is_success: bool
    is_final: bool


def _read() -> Mapping[int, CallStatus]:
    with (files("domain") / "call_statuses.csv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return MappingProxyType(
            {
                int(row["code"]): CallStatus(
                    code=int(row["code"]),
                    label=row["label"],
                    note=row["note"],
                    is_success=row["success"] == "yes",
                    is_final=row["final"] == "yes",
                )
                for row in rows
            }
        )


CALL_STATUSES: Final = _read()
"""Every known code, in the order of the manual's table."""

SUCCESSES: Final = frozenset(code for code, status in CALL_STATUSES.items() if status.is_success)
"""The codes that count as contacted: 5, 6, 13, -27 and -28."""


@cache
def call_status(code: int) -> CallStatus:
    """Return the meaning of `code`. An unknown code has its number as label, and is neither a success nor final."""
    known = CALL_STATUSES.get(code)
    if known is not None:
        return known
    note = "The provider reported a code that the table of call statuses does not have."
    return CallStatus(code=code, label=str(code), note=note, is_success=False, is_final=False)
