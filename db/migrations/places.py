"""How far a backfill is in its table."""

from typing import Final, NamedTuple


class Place(NamedTuple):
    """The row up to which all is done: its id and, where several rows share one, its number among them."""

    id: int
    within: int = 0


START: Final = Place(0, 0)
"""Before the first row. Ids count from 1."""
