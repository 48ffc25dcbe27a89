"""Finds the fields of a record that a selection reads, so that a statement selects only their columns."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from schema.binding import Source, reads_of, record_of, source_of
from schema.execution.selection import TYPENAME, Selection

MOST_ANSWERS: Final = 500
"""Maximum cached results; clients use some dozens of selections."""


class _All(Exception):
    """A field may read any field of the record."""


@lru_cache(MOST_ANSWERS)
def fields_read(selection: Selection, record: type) -> frozenset[str] | None:
    """The fields of `record` that are read below `selection`; None if any may be.

    Fields below another resolver do not count: that resolver looks ahead itself.
    """
    try:
        return frozenset(_read(selection, record))
    except _All:
        return None


def _read(selection: Selection, record: type) -> Iterator[str]:
    is_it = record_of(selection.of) is record
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
