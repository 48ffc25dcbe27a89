"""Functions that complete a whole list: written out for one selection, compiled once, and run over any number of records.

Such a function does what graphql-core does for each object: checks its type, reads its fields, serializes what it reads and
checks what may not be null. It does the same, or it raises, and then the ordinary way is gone; it never answers otherwise.
What has to be awaited is not known here: it comes in finished, as columns.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final, cast

from graphql import (
    GraphQLEnumType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    Undefined,
)
from strawberry.schema.types.base_scalars import DateTimeDefinition

from schema.binding import Source, described, source_of
from schema.selection import TYPENAME, Selected, Selection, Unforeseen

Complete = Callable[[Sequence[Any]], list[Any]]
"""The completed values of a list of resolved ones."""

Assemble = Callable[..., list[dict[str, Any]]]
"""The completed objects of a list of records and of the completed columns of the fields that the records do not answer."""

_CHECKS: Final = {
    "String": "type({0}) is not str",
    "ID": "type({0}) is not str",
    "Boolean": "{0} is not True and {0} is not False",
    "Int": "type({0}) is not int or not -2147483648 <= {0} <= 2147483647",
}
"""What a value must not be to be answered as it is; other values are graphql-core's to convert or to refuse."""


def completes(given: GraphQLOutputType, below: Selection | None) -> Complete:
    """The function that completes values of the type `given`, of which `below` is selected; all of it in the records."""
    code = _Code()
    code.add("out = []", "append = out.append", "for v in values:", deeper=True)
    code.add(f"append({code.value(given, below, 'v')})")
    return cast(Complete, code.function("values"))


def assembles(selection: Selection, columns: frozenset[str]) -> Assemble:
    """The function that completes objects; under the keys in `columns` it puts what it is given, in the selection's order."""
    code = _Code()
    given = {
        one.key: f"c{place}"
        for place, one in enumerate(one for one in selection.fields if one.key in columns)
    }
    names = ", ".join(("r", *given.values()))
    whole = ", ".join(("records", *(f"{name}s" for name in given.values())))
    code.add("out = []", "append = out.append")
    code.add(f"for {names} in zip({whole}, strict=True):", deeper=True)
    code.add(f"append({code.shown(selection, 'r', given)})")
    return cast(Assemble, code.function(whole))


class _Code:
    """A function as it is written, line by line, and the objects that it names."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 1
        self._names = 0
        self._objects: dict[str, Any] = {"Unforeseen": Unforeseen}

    def add(self, *lines: str, deeper: bool = False) -> None:
        self._lines += [f"{'    ' * self._depth}{line}" for line in lines]
        self._depth += deeper

    def function(self, arguments: str) -> Callable[..., Any]:
        body = "\n".join((f"def completed({arguments}):", *self._lines, "    return out"))
        # Every name in it is ours, and every key is quoted.
        exec(compile(body, "<a selection>", "exec"), self._objects)
        return cast(Callable[..., Any], self._objects["completed"])

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

    def shown(self, selection: Selection, name: str, columns: dict[str, str]) -> str:
        """Write what completes the object `name`; returns the expression of the completed one."""
        record = described(selection.of)
        self.add(f"if type({name}) is not {self._object('t', record)}:")
        self.add("    raise Unforeseen")
        parts = [
            f"{one.key!r}: {columns.get(one.key) or self._field(selection.of, one, name)}"
            for one in selection.fields
        ]
        return f"{{{', '.join(parts)}}}"

    def _field(self, of: GraphQLObjectType, one: Selected, record: str) -> str:
        if one.name == TYPENAME:
            return repr(of.name)
        field = of.fields[one.name]
        source = source_of(field)
        assert isinstance(source, Source), f"{of}.{one.name} is not in the record"
        read = (
            f"{record}.{source.name}"
            if source.function is None
            else f"{self._object('f', source.function)}({record})"
        )
        return self.value(field.type, one.below, read)

    def _present(self, given: GraphQLOutputType, below: Selection | None, name: str) -> None:
        """Write what completes a value that is not None, in its place."""
        if isinstance(given, GraphQLList):
            self._list(given.of_type, below, name)
        elif below is not None:
            self.add(f"{name} = {self.shown(below, name, {})}")
        else:
            self._leaf(cast(GraphQLLeafType, given), name)

    def _list(self, given: GraphQLOutputType, below: Selection | None, name: str) -> None:
        self.add(f"if type({name}) is not list and type({name}) is not tuple:")
        self.add("    raise Unforeseen")
        part, out = self._name("v"), self._name("l")
        self.add(f"{out} = []", f"for {part} in {name}:", deeper=True)
        self.add(f"{out}.append({self.value(given, below, part)})")
        self._depth -= 1
        self.add(f"{name} = {out}")

    def _leaf(self, given: GraphQLLeafType, name: str) -> None:
        if check := _CHECKS.get(given.name):
            self.add(f"if {check.format(name)}:", "    raise Unforeseen")
        elif _is_instant(given):
            self.add(f"if type({name}) is not {self._object('t', datetime)}:")
            self.add(
                "    raise Unforeseen", f"{name} = {self._object('i', datetime.isoformat)}({name})"
            )
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
