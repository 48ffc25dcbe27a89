"""Finds the fields that resolvers below a field will read, so that one statement can load for both."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from schema.binding import Source, source_of
from schema.execution.fields_read import MOST_ANSWERS, fields_read
from schema.execution.selection import TYPENAME, Selection


@lru_cache(MOST_ANSWERS)
def fields_read_below(
    selection: Selection, resolver: object, record: type
) -> Sequence[frozenset[str] | None]:
    """The fields of a class of records that are read at each place below `selection` where `resolver` returns them, without
    another resolver in between."""
    return tuple(_fields_read_below(selection, resolver, record))


def _fields_read_below(
    selection: Selection, resolver: object, record: type
) -> Iterator[frozenset[str] | None]:
    for one in selection.fields:
        if one.name == TYPENAME or one.below is None:
            continue
        source = source_of(selection.of.fields[one.name])
        if source is resolver:
            yield fields_read(one.below, record)
        elif isinstance(source, Source):
            yield from _fields_read_below(one.below, resolver, record)
