"""Operations drawn at random from the schema: fragments, aliases, directives, variables, nested lists, arguments."""

import re
from typing import Any, Final, NamedTuple, TypeVar, cast

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)
from hypothesis import strategies as st

from schema.contract import SCHEMA
from tests.operations import EVER

T = TypeVar("T")

DEEPEST: Final = 6
FEW: Final = 4

_TYPES: Final = SCHEMA._schema.type_map
_QUERY: Final = cast(GraphQLObjectType, _TYPES["Query"])

IDS: Final = (
    "message.1",
    "message.1",
    "message.2",
    "message.9999",
    "person.1",
    "person.1",
    "school.1",
    "district.1",
    "recipient.1.0",
    "delivery.1.0.0",
    "nonsense",
)
_VARIABLES: Final = {
    "yes": "Boolean! = true",
    "no": "Boolean! = false",
    "two": "Int = 2",
    "none": "Int",
}
_PAGES: Final = ("1", "2", "100", "100", "100", "$two", "$two", "$none", "0", "-1")
"""The last is an error of the user."""

_TEXTS: Final = {"search": ("parent", "re", "p1", "x", "nobody"), "account": ("shared", "p1", "")}
"""Texts by which people and inboxes are found, or not; some are errors of the user."""

_OPTIONAL: Final = frozenset({"first", "mode", "status", "outcome"})
_OFTEN: Final = frozenset({"messages", "message", "nodes", "edges", "recipients", "deliveries"})
"""Behind which there are lists."""

_GROWING: Final = frozenset({"auditTrail"})
"""What the question itself adds to: asked twice, it has two answers."""

_DIRECTIVES: Final = (
    *(("",) * 7),
    "@include(if: true)",
    "@skip(if: $no)",
    "@include(if: $yes)",
    "@skip(if: $yes)",
)


class Drawn(NamedTuple):
    """A document and its variables."""

    document: str
    variables: dict[str, Any]


@st.composite
def operations(draw: st.DrawFn) -> Drawn:
    """Some root fields, and some of all that lies below them."""
    drawer = _Drawer(draw)
    roots = drawer.selection(_QUERY, DEEPEST)
    text = "\n".join((roots, *drawer.fragments))
    used = [name for name in _VARIABLES if re.search(rf"\${name}\b", text)]
    declared = ", ".join(f"${name}: {_VARIABLES[name]}" for name in used)
    given = {"yes": draw(st.booleans()), "two": draw(st.sampled_from([1, 2, 3, None]))}
    return Drawn(f"query{f'({declared})' if declared else ''} {text}", given)


class _Drawer:
    """A document as it is drawn."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.fragments: list[str] = []
        self._draw = draw
        self._aliases = 0

    def selection(self, of: GraphQLNamedType, depth: int) -> str:
        """A selection set that is not empty."""
        parts = ["__typename"] if self._draw(st.booleans()) else []
        if isinstance(of, GraphQLInterfaceType | GraphQLUnionType):
            kinds = sorted(SCHEMA._schema.get_possible_types(of), key=lambda kind: kind.name)
            some = self._some(kinds, least=1)
            parts += [f"... on {kind} {self.selection(kind, depth - 1)}" for kind in some]
        else:
            assert isinstance(of, GraphQLObjectType), of
            is_leaf = {
                name: is_leaf_type(get_named_type(field.type))
                for name, field in of.fields.items()
                if name not in _GROWING
            }
            names = self._some([name for name, leaf in is_leaf.items() if leaf])
            if depth > 0:
                below = [name for name, leaf in is_leaf.items() if not leaf]
                names += self._some([*below, *3 * sorted(_OFTEN.intersection(below))], least=1)
            parts += [self._field(name, of.fields[name], depth) for name in names]
        body = " ".join(parts or ["__typename"])
        match self._draw(st.sampled_from(["plain", "plain", "inline", "named", "twice"])):
            case "inline":
                return f"{{ ... on {of} {self._directive()} {{ {body} }} also: __typename }}"
            case "named":
                name = f"F{len(self.fragments)}"
                self.fragments.append(f"fragment {name} on {of} {{ {body} }}")
                return f"{{ ...{name} {self._directive()} also: __typename }}"
            case "twice":
                return f"{{ {body} ... on {of} {{ {body} }} }}"
            case _:
                return f"{{ {body} }}"

    def _some(self, kinds: list[T], *, least: int = 0) -> list[T]:
        if not kinds:
            return []
        chosen = st.lists(st.sampled_from(kinds), min_size=least, max_size=3, unique_by=str)
        return self._draw(chosen)

    def _field(self, name: str, field: GraphQLField, depth: int) -> str:
        given = {
            argument: self._value(argument, declared.type)
            for argument, declared in field.args.items()
            if is_required_argument(declared)
            or (argument in _OPTIONAL and self._draw(st.sampled_from([True, False, False])))
        }
        spelled = (
            f"({', '.join(f'{key}: {value}' for key, value in given.items())})" if given else ""
        )
        named = get_named_type(field.type)
        below = "" if is_leaf_type(named) else self.selection(named, depth - 1)
        directive = self._directive()
        # Fields under one key may not differ in their arguments: what has some, has a key of its own.
        if spelled or self._draw(st.booleans()):
            self._aliases += 1
            name = f"a{self._aliases}: {name}"
        return f"{name}{spelled} {directive} {below}"

    def _directive(self) -> str:
        return self._draw(st.sampled_from(_DIRECTIVES))

    def _value(self, name: str, of: Any) -> str:
        if name == "createdBetween":
            return EVER
        if name == "ids":
            ids = self._draw(st.lists(st.sampled_from(IDS), max_size=FEW))
            return str(ids).replace("'", '"')
        if name == "id":
            return f'"{self._draw(st.sampled_from(IDS))}"'
        if name == "first":
            return self._draw(st.sampled_from(_PAGES))
        if name in _TEXTS:
            return f'"{self._draw(st.sampled_from(_TEXTS[name]))}"'
        inner = of.of_type if isinstance(of, GraphQLNonNull) else of
        if isinstance(inner, GraphQLList):
            return f"[{self._value('', inner.of_type)}]"
        assert isinstance(inner, GraphQLEnumType), (name, of)
        return str(self._draw(st.sampled_from(sorted(inner.values))))
