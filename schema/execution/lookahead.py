"""Finds the fields of records that are read below a field: a statement selects only their columns, and may load for several
resolvers together."""

from collections.abc import Iterator, Sequence

from schema.binding import Source, reads_of, record_of, source_of
from schema.execution.selection import TYPENAME, Selection


class _All(Exception):
    """A field may read any field of the record."""


def fields_read(selection: Selection, record: type) -> frozenset[str] | None:
    """The fields of `record` that are read below `selection`; None if any may be.

    Fields below another resolver do not count: that resolver looks ahead itself.
    """
    try:
        return frozenset(_read(selection, record))
    except _All:
        return None


def _read(selection: Selection, record: type) -> Iterator[str]:
    is_record = record_of(selection.of) is record
    fields = frozenset(getattr(record, "_fields", ()))
    for selected in selection.fields:
        if selected.name == TYPENAME:
            continue
        field = selection.of.fields[selected.name]
        is_in_record = isinstance(source_of(field), Source)
        reads = reads_of(field)
        if is_record:
            if reads is None or not fields.issuperset(reads):  # a property may read any
                raise _All
            yield from reads
        elif not is_in_record and reads is None:
            raise _All
        elif is_in_record and selected.below is not None:
            yield from _read(selected.below, record)


def fields_read_below(
    selection: Selection, resolver: object, record: type
) -> Sequence[frozenset[str] | None]:
    """The fields of `record` that are read at each place below `selection` where `resolver` returns it, without another
    resolver in between."""
    return tuple(_read_below(selection, resolver, record))


def _read_below(
    selection: Selection, resolver: object, record: type
) -> Iterator[frozenset[str] | None]:
    for selected in selection.fields:
        if selected.name == TYPENAME or selected.below is None:
            continue
        source = source_of(selection.of.fields[selected.name])
        if source is resolver:
            yield fields_read(selected.below, record)
        elif isinstance(source, Source):
            yield from _read_below(selected.below, resolver, record)
