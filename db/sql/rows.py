"""Rows of a page as the database gave them: records for who looks at one, and values in columns for who answers them all.

A statement reads the columns that are asked for. What was not read is missing from a record, which says so; it is never None.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, NoReturn, TypeVar, cast, overload

from sqlalchemy import ColumnElement, Select, select

R = TypeVar("R")

MOST_CLASSES: Final = 500
"""Classes of narrowed records that are kept; operations select some dozens of things."""


class NotRead(RuntimeError):
    """A field of a record was looked at that its statement did not read."""


class Reading(NamedTuple, Generic[R]):
    """What a statement reads of each row: the record that is made of it, and the column of each of its fields."""

    record: Callable[..., R]
    columns: Mapping[str, ColumnElement[Any]]

    def select(self) -> Select[Any]:
        """The statement, from wherever its columns are."""
        return select(*self.columns.values())

    def narrowed(self, asked: frozenset[str] | None, *, always: frozenset[str]) -> "Reading[R]":
        """The same of no more than the fields that are `asked` for, and `always`; of all where None."""
        if asked is None:
            return self
        return self._replace(
            columns={
                field: column
                for field, column in self.columns.items()
                if field in asked or field in always
            }
        )


Reader = Callable[[Any], Any]
"""What makes of a value, as it is kept, the one that a record holds."""


class Rows(Sequence[R]):
    """Rows that were read. A row may have more values than fields are named; those are no part of its record.

    `readers` has for each field how its values are read, and None where they are as a record holds them.
    """

    __slots__ = ("_made", "fields", "readers", "record", "tuples")

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
        self._made: list[R] | None = None

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
        """The same with each of these fields, where it was read, as its function makes it."""
        made = [changes.get(field) for field in self.fields]
        if not any(made):
            return self
        tuples = read_by(
            made, self.tuples if not self.readers else read_by(self.readers, self.tuples)
        )
        return Rows(self.record, self.fields, tuples)

    def _records(self) -> list[R]:
        if self._made is None:
            make, width = narrowed(self.record, self.fields), len(self.fields)
            rows = read_by(self.readers, self.tuples) if self.readers else self.tuples
            self._made = [make(*row[:width]) for row in rows]
        return self._made


def read_by(
    functions: Sequence[Reader | None], rows: Sequence[Sequence[Any]]
) -> Sequence[Sequence[Any]]:
    """The rows with each value as the function of its place makes it, and as it is where there is none."""
    made = [(place, function) for place, function in enumerate(functions) if function is not None]
    if not made:
        return rows
    read = []
    for row in rows:
        values = list(row)
        for place, function in made:
            values[place] = function(values[place])
        read.append(tuple(values))
    return read


def joined(lists: Sequence[Sequence[R]]) -> Sequence[R]:
    """The members of all lists, one after the other; rows of the same fields stay rows."""
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
    """What makes a record of the values of `fields` alone: a class derived from that of the whole record."""
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
    made = {
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
    return type(record.__name__, (record,), made)


def _not_read(record: Any, field: str) -> Callable[[Any], NoReturn]:
    def raises(row: Any) -> NoReturn:
        raise NotRead(
            f"{record.__name__}.{field} was not read. Name it where the field that shows it says what it reads."
        )

    return raises
