"""The rows of a page as the database returned them, as tuples, and as records for callers that read single rows.

A statement reads only the requested columns. A column that was not read raises `NotRead` on its record; it is never None.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, NoReturn, TypeVar, cast, overload

from sqlalchemy import ColumnElement, Select, select

R = TypeVar("R")

MOST_CLASSES: Final = 500
"""Size of the cache of narrowed record classes; operations select some dozens of field sets."""


class NotRead(RuntimeError):
    """A field of a record was used that its statement did not read."""


class RecordColumns(NamedTuple, Generic[R]):
    """The record class that a statement's rows become, and the column of each of its fields."""

    record: Callable[..., R]
    columns: Mapping[str, ColumnElement[Any]]

    def select(self) -> Select[Any]:
        """Return the statement that selects the columns."""
        return select(*self.columns.values())

    def narrowed(
        self, fields: frozenset[str] | None, *, always: frozenset[str]
    ) -> "RecordColumns[R]":
        """Return the reading of `fields` and `always` only; of all fields if None."""
        if fields is None:
            return self
        return self._replace(
            columns={
                field: column
                for field, column in self.columns.items()
                if field in fields or field in always
            }
        )


Reader = Callable[[Any], Any]
"""Converts a value from the database to that of a record."""


class Rows(Sequence[R]):
    """The rows of a statement. A row may have more values than `fields`; its record leaves out the others.

    `readers` has one function per field that converts its values, and None for a field that needs none.
    """

    __slots__ = ("_cached", "fields", "readers", "record", "tuples")

    def __init__(
        self,
        record: Callable[..., R],
        fields: tuple[str, ...],
        tuples: Sequence[Sequence[Any]],
        readers: tuple[Reader | None, ...] = (),
    ) -> None:
        self.record = record
        self.fields = fields
        self.tuples = tuples
        self.readers = readers if any(readers) else ()
        self._cached: list[R] | None = None

    def __len__(self) -> int:
        return len(self.tuples)

    @overload
    def __getitem__(self, place: int) -> R: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[R]: ...
    def __getitem__(self, place: int | slice) -> R | Sequence[R]:
        return self._records()[place]

    def __iter__(self) -> Iterator[R]:
        return iter(self._records())

    def changed(self, **changes: Callable[[Any], Any]) -> "Rows[R]":
        """Return the rows with each of these fields, if it was read, converted by its function."""
        functions = [changes.get(field) for field in self.fields]
        if not any(functions):
            return self
        tuples = read_by(
            functions, self.tuples if not self.readers else read_by(self.readers, self.tuples)
        )
        return Rows(self.record, self.fields, tuples)

    def _records(self) -> list[R]:
        if self._cached is None:
            make, width = narrowed(self.record, self.fields), len(self.fields)
            rows = read_by(self.readers, self.tuples) if self.readers else self.tuples
            self._cached = [make(*row[:width]) for row in rows]
        return self._cached


def read_by(
    functions: Sequence[Reader | None], rows: Sequence[Sequence[Any]]
) -> Sequence[Sequence[Any]]:
    """Return the rows with each value converted by the function at its place; None leaves it unchanged."""
    readers = [(place, read) for place, read in enumerate(functions) if read is not None]
    if not readers:
        return rows
    converted = []
    for row in rows:
        values = list(row)
        for place, read in readers:
            values[place] = read(values[place])
        converted.append(tuple(values))
    return converted


def concatenate(lists: Sequence[Sequence[R]]) -> Sequence[R]:
    """Return the members of all lists, one list after the other; `Rows` with the same fields stay `Rows`."""
    first = lists[0] if lists else ()
    if type(first) is Rows and all(_is_alike(first, other) for other in lists):
        rows = cast(Sequence[Rows[R]], lists)
        tuples = [row for one in rows for row in one.tuples]
        return Rows(first.record, first.fields, tuples, first.readers)
    return [member for one in lists for member in one]


def _is_alike(one: Rows[Any], other: object) -> bool:
    return (
        type(other) is Rows
        and other.record is one.record
        and other.fields == one.fields
        and other.readers == one.readers
    )


def narrowed(record: Callable[..., R], fields: tuple[str, ...]) -> Callable[..., R]:
    """Return a subclass of `record` that is made of the values of `fields` only."""
    whole: tuple[str, ...] = getattr(record, "_fields", fields)
    return record if whole == fields else _class(cast(Any, record), fields)


@lru_cache(MOST_CLASSES)
def _class(record: Any, fields: tuple[str, ...]) -> Any:
    values = cast(Any, NamedTuple)(record.__name__, [(field, Any) for field in fields])
    named = {
        name: vars(values)[name] for name in ("_fields", "_make", "_replace", "_asdict", *fields)
    }
    missing = {
        field: property(_not_read(record, field)) for field in record._fields if field not in fields
    }
    namespace = {
        "__slots__": (),
        "__new__": values.__new__,
        "__repr__": values.__repr__,
        "__getnewargs__": values.__getnewargs__,
        "__doc__": record.__doc__,
        "__module__": record.__module__,
        "__match_args__": fields,
        **named,
        **missing,
    }
    return type(record.__name__, (record,), namespace)


def _not_read(record: Any, field: str) -> Callable[[Any], NoReturn]:
    def raises(row: Any) -> NoReturn:
        raise NotRead(
            f"{record.__name__}.{field} was not read. Add it to the `reads` of the field that shows it."
        )

    return raises
