"""The position of a backfill in its table."""

from typing import Final, NamedTuple


class BackfillPlace(NamedTuple):
    """The row up to which all is done: its id and, if several rows share an id, its number within it."""

    id: int
    within: int = 0


START: Final = BackfillPlace(0, 0)
"""Before the first row. Ids count from 1."""
