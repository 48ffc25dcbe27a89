"""Which fields of a record an answer is made of, so that a statement can leave out the others."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from schema.binding import Source, described, reads_of, source_of
from schema.execution.selection import TYPENAME, Selection

MOST_ANSWERS: Final = 500
"""Answers that are kept, by what is selected; operations select some dozens of things."""


class _All(Exception):
    """Something may read any field of the record."""


@lru_cache(MOST_ANSWERS)
def fields_read(selection: Selection, record: type) -> frozenset[str] | None:
    """The fields of `record` that are read below `selection`, wherever the same list shows it; None where any may be.

    What a resolver finds by itself is not looked at: it asks again, for its own list.
    """
    try:
        return frozenset(_read(selection, record))
    except _All:
        return None


def _read(selection: Selection, record: type) -> Iterator[str]:
    is_it = described(selection.of) is record
    fields = frozenset(getattr(record, "_fields", ()))
    for one in selection.fields:
        if one.name == TYPENAME:
            continue
        field = selection.of.fields[one.name]
        shows = isinstance(source_of(field), Source)
        reads = reads_of(field)
        if is_it:
            if reads is None or not fields.issuperset(reads):  # a property may read any
                raise _All
            yield from reads
        elif not shows and reads is None:
            raise _All
        elif shows and one.below is not None:
            yield from _read(one.below, record)
