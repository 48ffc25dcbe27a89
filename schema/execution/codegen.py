"""Generates functions that complete a whole list, compiled once per selection.

Such a function does what graphql-core does for each object: check its type, read its fields, serialize and check nulls. In
any other case it raises `Unforeseen`, and the executor falls back to graphql-core; it never returns a different result.
Awaited values are passed in as completed columns.

Records are objects, or raw rows of the database (`db.sql.rows`), from which the result is built without making a record.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from itertools import islice
from typing import Any, Final, NamedTuple, cast

from graphql import (
    GraphQLEnumType,
    GraphQLID,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLString,
    Undefined,
)
from strawberry.schema.types.base_scalars import DateTimeDefinition

from db.sql.rows import Reader, Rows, concatenate
from schema.binding import Source, record_of, source_of
from schema.execution.fallbacks import Unforeseen
from schema.execution.selection import TYPENAME, Selected, Selection

Complete = Callable[..., list[Any]]
"""Completes a list of resolved values; of objects, takes the completed columns that are not in the records."""

MOST_LAYOUTS: Final = 20
"""Maximum row layouts per selection; with more, records are made of the rows."""

_CHECKS: Final = {
    "String": "type({0}) is not str",
    "ID": "type({0}) is not str",
    "Boolean": "{0} is not True and {0} is not False",
    "Int": "type({0}) is not int or not -2147483648 <= {0} <= 2147483647",
}
"""Conditions under which a value cannot be used as it is; graphql-core then converts or refuses it."""


def completer_of(type_: GraphQLOutputType, below: Selection | None) -> Complete:
    """The function that completes values of the type `type_` with the selection `below`, all of it in the records."""
    item = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if below is not None:
        if isinstance(item, GraphQLList):
            return ListCompleter(completer_of(item.of_type, below), may_be_none=item is type_)
        return ObjectCompleter(below, frozenset(), may_be_none=item is type_)
    code = _Code()
    code.add("out = []", "append = out.append", "for v in values:", deeper=True)
    code.add(f"append({code.value(type_, below, 'v')})")
    return code.function("values")


LISTS: Final = frozenset({list, tuple, Rows})
"""The types of lists that are supported; graphql-core iterates over others, or refuses them."""

_LISTS_OR_NONE: Final = LISTS | {type(None)}


class ListCompleter:
    """Completes lists of lists: the elements of all lists at once, since most lists are short."""

    def __init__(self, complete: Complete, *, may_be_none: bool = False) -> None:
        self._complete = complete
        self._may_be_none = may_be_none

    def __call__(self, lists: Sequence[Any]) -> list[Any]:
        """The completed lists, in their order."""
        if not (_LISTS_OR_NONE if self._may_be_none else LISTS).issuperset(map(type, lists)):
            raise Unforeseen("no list")
        parts = iter(self._complete(concatenate([values for values in lists if values])))
        return [None if values is None else list(islice(parts, len(values))) for values in lists]


class ObjectCompleter:
    """Completes lists of objects; the fields in `columns` are passed in by key, the others are read from the records.

    Raw rows are unpacked by a function for their layout.
    """

    def __init__(
        self, selection: Selection, columns: frozenset[str], *, may_be_none: bool = False
    ) -> None:
        self._selection = selection
        self._columns = columns
        self._may_be_none = may_be_none
        self._record = record_of(selection.of)
        self._of_records = self._function(None)
        self._of_rows: dict[_Layout, Complete | None] = {}

    def __call__(self, records: Sequence[Any], *columns: Sequence[Any]) -> list[Any]:
        """The completed objects, in the order of the records."""
        if type(records) is Rows and records and records.record is self._record:
            layout = _Layout(records.fields, records.readers, len(records.tuples[0]))
            if layout not in self._of_rows and len(self._of_rows) < MOST_LAYOUTS:
                self._of_rows[layout] = self._of_layout(layout)
            if complete := self._of_rows.get(layout):
                return complete(records.tuples, *columns)
        return self._of_records(records, *columns)

    def _of_layout(self, layout: "_Layout") -> Complete | None:
        try:
            return self._function(layout)
        except Unforeseen:
            return None

    def _function(self, layout: "_Layout | None") -> Complete:
        """Generate the function for records, or for rows of a layout."""
        code = _Code()
        row = None if layout is None else code.row(layout)
        columns = [field.key for field in self._selection.fields if field.key in self._columns]
        names_by_key = {key: f"c{place}" for place, key in enumerate(columns)}
        each = "r" if row is None else f"({', '.join(row.names)},)"
        arguments = ", ".join(("records", *(f"{name}s" for name in names_by_key.values())))
        code.add("out = []", "append = out.append")
        if names_by_key:
            each = ", ".join((each, *names_by_key.values()))
            code.add(f"for {each} in zip({arguments}, strict=True):", deeper=True)
        else:
            code.add(f"for {each} in records:", deeper=True)
        if row is not None:
            code.add(f"append({code.fields(self._selection, row, names_by_key)})")
        else:
            if self._may_be_none:
                code.add("if r is None:", "    append(None)", "    continue")
            code.add(f"append({code.record(self._selection, 'r', names_by_key)})")
        return code.function(arguments)


class _Layout(NamedTuple):
    """The layout of rows: the leading fields, how each is read, and the number of values."""

    fields: tuple[str, ...]
    readers: tuple[Reader | None, ...]
    width: int


class _Parent(NamedTuple):
    """The source of fields: an expression for each, or an object that has them."""

    fields: Mapping[str, str]
    names: Sequence[str]
    """The names into which a row is unpacked."""
    record: str | None = None
    raw: Mapping[str, str] = {}
    """The raw expressions of fields that are converted when they are read; they have few distinct values."""

    def field(self, name: str) -> str:
        if self.record is not None:
            return f"{self.record}.{name}"
        if name not in self.fields:
            raise Unforeseen("a row without the field")
        return self.fields[name]


class _Code:
    """A function under construction: its lines, and the objects that it refers to."""

    def __init__(self) -> None:
        self._begin: list[str] = []
        self._lines: list[str] = []
        self._depth = 1
        self._names = 0
        self._objects: dict[str, Any] = {"Unforeseen": Unforeseen}

    def add(self, *lines: str, deeper: bool = False) -> None:
        self._lines += [f"{'    ' * self._depth}{line}" for line in lines]
        self._depth += deeper

    def function(self, arguments: str) -> Complete:
        body = "\n".join(
            (f"def completed({arguments}):", *self._begin, *self._lines, "    return out")
        )
        # Safe: every name is ours, and every key is quoted.
        exec(compile(body, "<a selection>", "exec"), self._objects)
        return cast(Complete, self._objects["completed"])

    def row(self, layout: _Layout) -> _Parent:
        """The unpacked names of a row, and the expression of each field."""
        names = [f"x{place}" for place in range(layout.width)]
        fields = dict(zip(layout.fields, names, strict=False))
        raw: dict[str, str] = {}
        for field, reader in zip(layout.fields, layout.readers, strict=False):
            if reader is not None:
                raw[field] = fields[field]
                fields[field] = f"{self._object('r', reader)}({fields[field]})"
        return _Parent(fields, names, raw=raw)

    def value(self, type_: GraphQLOutputType, below: Selection | None, source: str) -> str:
        """Write the completion of `source`; returns the name of the completed value."""
        name = self._name("v")
        self.add(f"{name} = {source}")
        if isinstance(type_, GraphQLNonNull):
            self._present(type_.of_type, below, name)
        else:
            self.add(f"if {name} is not None:", deeper=True)
            self._present(type_, below, name)
            self._depth -= 1
        return name

    def record(self, selection: Selection, name: str, columns: Mapping[str, str]) -> str:
        """Write the completion of the object `name`; returns the expression of the completed object."""
        record = self._object("t", record_of(selection.of))
        self._refuse(f"not isinstance({name}, {record})", "another record")
        return self.fields(selection, _Parent({}, (), name), columns)

    def fields(self, selection: Selection, parent: _Parent, columns: Mapping[str, str]) -> str:
        """Write the completion of the fields of `parent`; returns the expression of the completed object."""
        parts = [
            f"{field.key!r}: {columns.get(field.key) or self._field(selection.of, field, parent)}"
            for field in selection.fields
        ]
        return f"{{{', '.join(parts)}}}"

    def _field(self, of: GraphQLObjectType, selected: Selected, parent: _Parent) -> str:
        if selected.name == TYPENAME:
            return repr(of.name)
        type_, below = of.fields[selected.name].type, selected.below
        source = source_of(of.fields[selected.name])
        assert isinstance(source, Source), f"{of}.{selected.name} is not in the record"
        function = source.function
        if function is None:
            (name,) = source.names
            if name in parent.raw:
                return self._once(type_, below, parent.field(name), parent.raw[name])
            return self.value(type_, below, parent.field(name))
        if not source.names:
            if parent.record is None:
                raise Unforeseen("a row without a record")
            return self.value(type_, below, f"{self._object('f', function)}({parent.record})")
        values = [parent.field(name) for name in source.names]
        if (template := _template(function)) is not None and _is_text(type_):
            # Inlined: a call takes three times as long, and the result needs no check.
            return "f" + repr(template.format(*(f"{{{value}}}" for value in values)))
        if below is not None and _is_made_of(function, below.of):
            # A record that is built and unpacked at once: use its parts directly.
            names: Sequence[str] = cast(Any, function)._fields
            return self.fields(below, _Parent(dict(zip(names, values, strict=True)), ()), {})
        return self.value(type_, below, f"{self._object('f', function)}({', '.join(values)})")

    def _once(
        self, type_: GraphQLOutputType, below: Selection | None, source: str, raw: str
    ) -> str:
        """Write a completion that runs once per distinct raw value."""
        results, name = self._name("d"), self._name("v")
        self._begin.append(f"    {results} = {{}}")
        self.add(f"{name} = {results}.get({raw})", f"if {name} is None:", deeper=True)
        self.add(f"{name} = {results}[{raw}] = {self.value(type_, below, source)}")
        self._depth -= 1
        return name

    def _present(self, type_: GraphQLOutputType, below: Selection | None, name: str) -> None:
        """Write the completion of a value that is not None."""
        if isinstance(type_, GraphQLList):
            self._list(type_.of_type, below, name)
        elif below is not None:
            self.add(f"{name} = {self.record(below, name, {})}")
        else:
            self._leaf(cast(GraphQLLeafType, type_), name)

    def _list(self, type_: GraphQLOutputType, below: Selection | None, name: str) -> None:
        kinds = self._object("k", LISTS)
        self._refuse(f"type({name}) not in {kinds}", "no list")
        if below is not None:
            self.add(f"{name} = {self._object('w', completer_of(type_, below))}({name})")
            return
        part, out = self._name("v"), self._name("l")
        self.add(f"{out} = []", f"for {part} in {name}:", deeper=True)
        self.add(f"{out}.append({self.value(type_, None, part)})")
        self._depth -= 1
        self.add(f"{name} = {out}")

    def _leaf(self, type_: GraphQLLeafType, name: str) -> None:
        if check := _CHECKS.get(type_.name):
            self._refuse(check.format(name), "another value")
        elif _is_instant(type_):
            # Not converted: orjson writes an instant in UTC as `isoformat` does, in a fifth of the time.
            instant, utc = self._object("t", datetime), self._object("z", UTC)
            self._refuse(
                f"type({name}) is not {instant} or {name}.tzinfo is not {utc}", "another value"
            )
        elif members := _members(type_):
            self.add(f"{name} = {self._object('m', members)}[{name}]")
        else:
            coerce = self._object("s", type_.coerce_output_value)
            undefined = self._object("u", Undefined)
            self.add(f"{name} = {coerce}({name})")
            self._refuse(f"{name} is None or {name} is {undefined}", "another value")

    def _refuse(self, condition: str, reason: str) -> None:
        """Write that graphql-core must do it under a condition."""
        self.add(f"if {condition}:", f"    raise Unforeseen({reason!r})")

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}{self._names}"

    def _object(self, kind: str, named: object) -> str:
        for name, value in self._objects.items():
            if value is named:
                return name
        name = self._name(kind)
        self._objects[name] = named
        return name


def _is_made_of(function: Callable[..., object], of: GraphQLObjectType) -> bool:
    """Whether `function` is the named tuple shown as `of`, so that its fields are its arguments."""
    return function is record_of(of) and hasattr(function, "_fields")


def _template(function: Callable[..., object]) -> str | None:
    """The template of a function that is the `format` of a text with only `{}` in it; else None."""
    template = getattr(function, "__self__", None)
    if type(template) is not str or function != template.format:
        return None
    return None if {"{", "}"} & set(template.replace("{}", "")) else template


def _is_text(type_: GraphQLOutputType) -> bool:
    """Whether texts of this type need no conversion, and None is not allowed."""
    return isinstance(type_, GraphQLNonNull) and type_.of_type in (GraphQLID, GraphQLString)


def _is_instant(type_: GraphQLLeafType) -> bool:
    """Whether values are written as by `isoformat`."""
    written = type_.extensions.get("strawberry-definition")
    return written is DateTimeDefinition


def _members(type_: GraphQLLeafType) -> dict[Enum, str]:
    """The GraphQL names of the members of an enumeration; empty for other types."""
    members = getattr(type_, "wrapped_cls", None)
    if not isinstance(type_, GraphQLEnumType) or members is None:
        return {}
    return {member: type_.coerce_output_value(member) for member in members}
