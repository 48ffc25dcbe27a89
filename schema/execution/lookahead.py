"""Which resolvers an answer will ask for what a field gives, so that one statement can read for both."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from schema.binding import Source, source_of
from schema.execution.fields_read import MOST_ANSWERS, fields_read
from schema.execution.selection import TYPENAME, Selection


@lru_cache(MOST_ANSWERS)
def asked_below(
    selection: Selection, resolver: object, record: type
) -> Sequence[frozenset[str] | None]:
    """What is read of the records of a class at each place below `selection` where `resolver` gives them, and no other
    resolver stands between."""
    return tuple(_asked_below(selection, resolver, record))


def _asked_below(
    selection: Selection, resolver: object, record: type
) -> Iterator[frozenset[str] | None]:
    for one in selection.fields:
        if one.name == TYPENAME or one.below is None:
            continue
        source = source_of(selection.of.fields[one.name])
        if source is resolver:
            yield fields_read(one.below, record)
        elif isinstance(source, Source):
            yield from _asked_below(one.below, resolver, record)
