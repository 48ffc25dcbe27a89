"""Functions that complete a whole list: written out for one selection, compiled once, and run over any number of records.

Such a function does what graphql-core does for each object: checks its type, reads its fields, serializes what it reads and
checks what may not be null. It does the same, or it raises, and then the ordinary way is gone; it never answers otherwise.
What has to be awaited is not known here: it comes in finished, as columns.

Records are objects, or rows as the database gave them (`db.sql.rows`): then no object is made of a row but its answer.
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

from db.sql.rows import Reader, Rows, joined
from schema.binding import Source, described, source_of
from schema.execution.selection import TYPENAME, Selected, Selection, Unforeseen

Complete = Callable[..., list[Any]]
"""The completed values of a list of resolved ones; of objects, given the completed columns that the records do not answer."""

MOST_LAYOUTS: Final = 20
"""Ways in which rows come to one selection; beyond, which nobody needs, records are made of them."""

_CHECKS: Final = {
    "String": "type({0}) is not str",
    "ID": "type({0}) is not str",
    "Boolean": "{0} is not True and {0} is not False",
    "Int": "type({0}) is not int or not -2147483648 <= {0} <= 2147483647",
}
"""What a value must not be to be answered as it is; other values are graphql-core's to convert or to refuse."""


def completes(given: GraphQLOutputType, below: Selection | None) -> Complete:
    """The function that completes values of the type `given`, of which `below` is selected; all of it in the records."""
    item = given.of_type if isinstance(given, GraphQLNonNull) else given
    if below is not None:
        if isinstance(item, GraphQLList):
            return Lists(completes(item.of_type, below), may_be_none=item is given)
        return Objects(below, frozenset(), may_be_none=item is given)
    code = _Code()
    code.add("out = []", "append = out.append", "for v in values:", deeper=True)
    code.add(f"append({code.value(given, below, 'v')})")
    return code.function("values")


LISTS: Final = frozenset({list, tuple, Rows})
"""What a list comes as; anything else is graphql-core's to iterate over, or to refuse."""

_LISTS_OR_NONE: Final = LISTS | {type(None)}


class Lists:
    """Completes lists of lists: the parts of all in one go, as most are short."""

    def __init__(self, complete: Complete, *, may_be_none: bool = False) -> None:
        self._complete = complete
        self._may_be_none = may_be_none

    def __call__(self, lists: Sequence[Any]) -> list[Any]:
        """The completed lists, in their order."""
        if not (_LISTS_OR_NONE if self._may_be_none else LISTS).issuperset(map(type, lists)):
            raise Unforeseen
        parts = iter(self._complete(joined([one for one in lists if one])))
        return [None if one is None else list(islice(parts, len(one))) for one in lists]


class Objects:
    """Completes lists of objects, of which a record answers all but what is given in `columns`, by their keys.

    Rows are taken apart as they are, by a function for the fields that were read of them.
    """

    def __init__(
        self, selection: Selection, columns: frozenset[str], *, may_be_none: bool = False
    ) -> None:
        self._selection = selection
        self._columns = columns
        self._may_be_none = may_be_none
        self._record = described(selection.of)
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
        """The function for records, or for rows of a layout, which are taken apart."""
        code = _Code()
        row = None if layout is None else code.row(layout)
        given = {
            one.key: f"c{place}"
            for place, one in enumerate(
                one for one in self._selection.fields if one.key in self._columns
            )
        }
        each = "r" if row is None else f"({', '.join(row.names)},)"
        code.add("out = []", "append = out.append")
        if given:
            whole = ", ".join(("records", *(f"{name}s" for name in given.values())))
            code.add(f"for {', '.join((each, *given.values()))} in zip({whole}, strict=True):")
        else:
            code.add(f"for {each} in records:")
        code.deeper()
        if row is not None:
            code.add(f"append({code.shown(self._selection, row, given)})")
        else:
            if self._may_be_none:
                code.add("if r is None:", "    append(None)", "    continue")
            code.add(f"append({code.record(self._selection, 'r', given)})")
        return code.function(", ".join(("records", *(f"{name}s" for name in given.values()))))


class _Layout(NamedTuple):
    """How rows come: the fields that stand first in each, how those are read, and how many values there are."""

    fields: tuple[str, ...]
    readers: tuple[Reader | None, ...]
    width: int


class _Thing(NamedTuple):
    """What fields are read from: each under an expression, or, where it is an object, from it."""

    fields: Mapping[str, str]
    names: Sequence[str]
    """What a row is taken apart into; all of it has a name."""
    itself: str | None = None
    kept_as: Mapping[str, str] = {}
    """What those fields are read from that are kept otherwise than they are shown: of each there are few values."""

    def field(self, name: str) -> str:
        if self.itself is not None:
            return f"{self.itself}.{name}"
        if name not in self.fields:
            raise Unforeseen
        return self.fields[name]


class _Code:
    """A function as it is written, line by line, and the objects that it names."""

    def __init__(self) -> None:
        self._begin: list[str] = []
        self._lines: list[str] = []
        self._depth = 1
        self._names = 0
        self._objects: dict[str, Any] = {"Unforeseen": Unforeseen}

    def add(self, *lines: str, deeper: bool = False) -> None:
        self._lines += [f"{'    ' * self._depth}{line}" for line in lines]
        self._depth += deeper

    def deeper(self) -> None:
        self._depth += 1

    def function(self, arguments: str) -> Complete:
        body = "\n".join(
            (f"def completed({arguments}):", *self._begin, *self._lines, "    return out")
        )
        # Every name in it is ours, and every key is quoted.
        exec(compile(body, "<a selection>", "exec"), self._objects)
        return cast(Complete, self._objects["completed"])

    def row(self, layout: _Layout) -> _Thing:
        """A row of this layout: what it is taken apart into, and the expression of each field."""
        names = [f"x{place}" for place in range(layout.width)]
        fields = dict(zip(layout.fields, names, strict=False))
        kept_as: dict[str, str] = {}
        for field, reader in zip(layout.fields, layout.readers, strict=False):
            if reader is not None:
                kept_as[field] = fields[field]
                fields[field] = f"{self._object('r', reader)}({fields[field]})"
        return _Thing(fields, names, kept_as=kept_as)

    def value(self, given: GraphQLOutputType, below: Selection | None, source: str) -> str:
        """Write what completes `source`; returns where the completed value stands."""
        name = self._name("v")
        self.add(f"{name} = {source}")
        if isinstance(given, GraphQLNonNull):
            self._present(given.of_type, below, name)
        else:
            self.add(f"if {name} is not None:", deeper=True)
            self._present(given, below, name)
            self._depth -= 1
        return name

    def record(self, selection: Selection, name: str, columns: Mapping[str, str]) -> str:
        """Write what completes the object `name`; returns the expression of the completed one."""
        record = self._object("t", described(selection.of))
        self.add(f"if not isinstance({name}, {record}):", "    raise Unforeseen")
        return self.shown(selection, _Thing({}, (), name), columns)

    def shown(self, selection: Selection, thing: _Thing, columns: Mapping[str, str]) -> str:
        """Write what completes the fields of `thing`; returns the expression of the completed object."""
        parts = [
            f"{one.key!r}: {columns.get(one.key) or self._field(selection.of, one, thing)}"
            for one in selection.fields
        ]
        return f"{{{', '.join(parts)}}}"

    def _field(self, of: GraphQLObjectType, one: Selected, thing: _Thing) -> str:
        if one.name == TYPENAME:
            return repr(of.name)
        field = of.fields[one.name]
        source = source_of(field)
        assert isinstance(source, Source), f"{of}.{one.name} is not in the record"
        made = source.function
        if made is None:
            (name,) = source.names
            if name in thing.kept_as:
                return self._once(field.type, one.below, thing.field(name), thing.kept_as[name])
            return self.value(field.type, one.below, thing.field(name))
        if not source.names:
            if thing.itself is None:
                raise Unforeseen
            return self.value(field.type, one.below, f"{self._object('f', made)}({thing.itself})")
        values = [thing.field(name) for name in source.names]
        if (template := _template(made)) is not None and _is_text(field.type):
            # Written out: to call it takes thrice as long, and what it gives needs no check.
            return "f" + repr(template.format(*(f"{{{value}}}" for value in values)))
        if one.below is not None and _is_made_of(made, one.below.of):
            # A record that is made to be shown and taken apart at once: its parts are there already.
            names: Sequence[str] = cast(Any, made)._fields
            return self.shown(one.below, _Thing(dict(zip(names, values, strict=True)), ()), {})
        called = f"{self._object('f', made)}({', '.join(values)})"
        return self.value(field.type, one.below, called)

    def _once(
        self, given: GraphQLOutputType, below: Selection | None, source: str, kept: str
    ) -> str:
        """The same of a `source` that is read from `kept`: completed once in a list for each value that is kept."""
        known, name = self._name("d"), self._name("v")
        self._begin.append(f"    {known} = {{}}")
        self.add(f"{name} = {known}.get({kept})", f"if {name} is None:", deeper=True)
        self.add(f"{name} = {known}[{kept}] = {self.value(given, below, source)}")
        self._depth -= 1
        return name

    def _present(self, given: GraphQLOutputType, below: Selection | None, name: str) -> None:
        """Write what completes a value that is not None, in its place."""
        if isinstance(given, GraphQLList):
            self._list(given.of_type, below, name)
        elif below is not None:
            self.add(f"{name} = {self.record(below, name, {})}")
        else:
            self._leaf(cast(GraphQLLeafType, given), name)

    def _list(self, given: GraphQLOutputType, below: Selection | None, name: str) -> None:
        kinds = self._object("k", LISTS)
        self.add(f"if type({name}) not in {kinds}:", "    raise Unforeseen")
        if below is not None:
            self.add(f"{name} = {self._object('w', completes(given, below))}({name})")
            return
        part, out = self._name("v"), self._name("l")
        self.add(f"{out} = []", f"for {part} in {name}:", deeper=True)
        self.add(f"{out}.append({self.value(given, None, part)})")
        self._depth -= 1
        self.add(f"{name} = {out}")

    def _leaf(self, given: GraphQLLeafType, name: str) -> None:
        if check := _CHECKS.get(given.name):
            self.add(f"if {check.format(name)}:", "    raise Unforeseen")
        elif _is_instant(given):
            # It stays as it is: orjson writes an instant in UTC as `isoformat` does, in a fifth of the time.
            instant, utc = self._object("t", datetime), self._object("z", UTC)
            self.add(f"if type({name}) is not {instant} or {name}.tzinfo is not {utc}:")
            self.add("    raise Unforeseen")
        elif members := _members(given):
            self.add(f"{name} = {self._object('m', members)}[{name}]")
        else:
            coerce = self._object("s", given.coerce_output_value)
            undefined = self._object("u", Undefined)
            self.add(f"{name} = {coerce}({name})")
            self.add(f"if {name} is None or {name} is {undefined}:", "    raise Unforeseen")

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}{self._names}"

    def _object(self, kind: str, named: object) -> str:
        for name, known in self._objects.items():
            if known is named:
                return name
        name = self._name(kind)
        self._objects[name] = named
        return name


def _is_made_of(made: Callable[..., object], of: GraphQLObjectType) -> bool:
    """Whether `made` is the class of named tuples that is shown as `of`, so that it gives back what it is given."""
    return made is described(of) and hasattr(made, "_fields")


def _template(made: Callable[..., object]) -> str | None:
    """The template, where a function is the `format` of one that has nothing but places for values."""
    template = getattr(made, "__self__", None)
    if type(template) is not str or made != template.format:
        return None
    return None if {"{", "}"} & set(template.replace("{}", "")) else template


def _is_text(given: GraphQLOutputType) -> bool:
    """Whether values are answered as they are where they are texts, and none is None."""
    return isinstance(given, GraphQLNonNull) and given.of_type in (GraphQLID, GraphQLString)


def _is_instant(given: GraphQLLeafType) -> bool:
    """Whether values are answered as `isoformat` spells them."""
    written = given.extensions.get("strawberry-definition")
    return written is DateTimeDefinition


def _members(given: GraphQLLeafType) -> dict[Enum, str]:
    """The names under which the members of an enumeration are answered; none for what is no enumeration of Python."""
    members = getattr(given, "wrapped_cls", None)
    if not isinstance(given, GraphQLEnumType) or members is None:
        return {}
    return {member: given.coerce_output_value(member) for member in members}
