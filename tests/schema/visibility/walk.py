"""Everything that a viewer can come to see: every field of every type, from the roots and from each id that turns up.

The walk is made from the schema itself, so that a field that is added is walked without anybody thinking of it.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final, cast

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from db.connect.database import Database
from domain.viewer import Right, Viewer
from schema.contract import SCHEMA
from tests.operations import EVER, ask

Place = tuple[str, str]
"""A type and one of its fields."""

ARGUMENTS: Final = {
    "createdBetween": EVER,
    "first": "100",
    "id": "$id",
    "ids": "$ids",
    "inbox(account:)": '"shared"',
    "people(search:)": '"re"',  # of shared and parent, so that it finds somebody in each log
}
"""What is put into an argument, of one field or of all: whatever narrows a list is left out.

A required one that is not here fails the walk.
"""

NEEDS: Final = {
    "auditTrail": Right.VIEW_AUDIT,
    "people": Right.VIEW_RECIPIENTS,
    "contactProblems": Right.VIEW_RECIPIENTS,
    "system": Right.VIEW_SYSTEM,
    "inbox": Right.READ_INBOX,
}
"""The root fields that are an error without a right; the audit is one for a viewer of some schools, too."""

FIELD_ARGUMENTS: Final = {
    "Query.figures": {
        "createdBetween": '{from: "2019-01-01", to: "2028-12-31"}',
        "groupBy": "[DAY, SCHOOL, TYPE, SENDER, MODE, PROVIDER]",
    }
}
"""Arguments that are not for every field with an argument of their name."""

DEEP: Final = 5
"""Levels of a query. Each field is reached within them; with more, the query repeats the same fields along very many paths."""

_TYPES: Final = SCHEMA._schema.type_map
_QUERY: Final = cast(GraphQLObjectType, _TYPES["Query"])
_NODE: Final = cast(GraphQLInterfaceType, _TYPES["Node"])
NODES: Final = frozenset(made.name for made in SCHEMA._schema.get_possible_types(_NODE))


@dataclass
class Seen:
    """What was seen, and where."""

    ids: set[str] = field(default_factory=set)
    texts: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))

    def places_with(self, word: str) -> set[Place]:
        """Where some text holds `word`."""
        return {place for place, texts in self.texts.items() if any(word in text for text in texts)}


def closed_to(viewer: Viewer) -> frozenset[str]:
    """The root fields that are an error for `viewer`."""
    closed = {root for root, right in NEEDS.items() if not viewer.may(right)}
    return frozenset(closed | ({"auditTrail"} if viewer.schools else set()))


async def walk(database: Database, viewer: Viewer, *, now: datetime) -> Seen:
    """All that `viewer` comes to see at `now`."""
    seen = Seen()
    roots = document(None, closed=closed_to(viewer))
    note(await ask(database, roots, viewer=viewer, now=now), seen)
    followed: set[str] = set()
    while new := sorted(seen.ids - followed):
        followed |= set(new)
        await follow(database, new, seen, viewer=viewer, now=now)
    return seen


async def follow(
    database: Database, ids: Sequence[str], seen: Seen, *, viewer: Viewer, now: datetime
) -> None:
    """Look behind each of at most a hundred ids, by every root field that takes one or several."""
    note(await ask(database, document("ids"), {"ids": list(ids)}, viewer=viewer, now=now), seen)
    for id in ids:
        note(await ask(database, document("id"), {"id": id}, viewer=viewer, now=now), seen)


@cache
def document(argument: str | None, *, closed: frozenset[str] = frozenset()) -> str:
    """A query of every root field that takes an id, or ids, under this name; with None of those that take neither.

    `closed`: the root fields that the viewer has no right to, which would be errors.

    One id at a time is asked only for what is at hand: behind it lies what lies behind it among several.
    """
    declared = {None: "", "id": "($id: ID!)", "ids": "($ids: [ID!]!)"}[argument]
    depth = 1 if argument == "id" else DEEP
    roots = [
        _field("Query", name, root, frozenset(), depth)
        for name, root in _QUERY.fields.items()
        if {"id", "ids"} & set(root.args) == ({argument} if argument else set())
        and name not in closed
    ]
    return f"query{declared} {{ {' '.join(roots)} }}"


def operation(root: str, name: str, argument: str) -> str:
    """A mutation or subscription with all that its answer can show; its one argument comes as a variable of its name."""
    field = cast(GraphQLObjectType, _TYPES[root]).fields[name]
    declared = f"${argument}: {field.args[argument].type}"
    path: frozenset[str] = frozenset()
    below = _selection(get_named_type(field.type), path, DEEP)
    return (
        f"{root.lower()}({declared}) {{ {root}__{name}: {name}({argument}: ${argument}) {below} }}"
    )


def places_in(*documents: str) -> set[Place]:
    """Every field for which these documents of the walk ask."""
    return set(re.findall(r"(\w+)__(\w+):", "".join(documents)))


def places_walked() -> set[Place]:
    """Every field that the walk asks for."""
    return places_in(*map(document, (None, "id", "ids")))


def all_places(*roots: str) -> set[Place]:
    """Every field of every type to which operations of these kinds can lead; queries, if none is named."""
    found: set[Place] = set()
    waiting: list[GraphQLNamedType] = [_TYPES[root] for root in roots or ("Query",)]
    while waiting:
        made = waiting.pop()
        if isinstance(made, GraphQLInterfaceType | GraphQLUnionType):
            waiting += SCHEMA._schema.get_possible_types(made)
        elif isinstance(made, GraphQLObjectType):
            new = {
                name: below for name, below in made.fields.items() if (made.name, name) not in found
            }
            found |= {(made.name, name) for name in new}
            waiting += [get_named_type(below.type) for below in new.values()]
    return found


def _field(above: str, name: str, asked: GraphQLField, path: frozenset[str], depth: int) -> str:
    """A field with its arguments and all below it, under an alias that says which field of which type it is."""
    arguments = ARGUMENTS | FIELD_ARGUMENTS.get(f"{above}.{name}", {})
    given = [
        f"{argument}: {arguments.get(f'{name}({argument}:)') or arguments[argument]}"
        for argument, declared in asked.args.items()
        if argument in arguments or is_required_argument(declared)
    ]
    below = _selection(get_named_type(asked.type), path, depth)
    if below is None:
        return ""
    return f"{above}__{name}: {name}{'(' + ', '.join(given) + ')' if given else ''} {below}"


def _selection(made: GraphQLNamedType, path: frozenset[str], depth: int) -> str | None:
    """All that can be selected of a type; None where it is too deep, or where the path has been through it already."""
    if is_leaf_type(made):
        return ""
    if depth == 0 or made.name in path:
        return None
    if isinstance(made, GraphQLInterfaceType | GraphQLUnionType):
        kinds = sorted(SCHEMA._schema.get_possible_types(made), key=lambda kind: kind.name)
        parts = [f"... on {kind.name} {_selection(kind, path, depth)}" for kind in kinds]
    else:
        assert isinstance(made, GraphQLObjectType), f"the walk does not know what {made} is"
        path |= {made.name}
        parts = [
            _field(made.name, name, below, path, depth - 1) for name, below in made.fields.items()
        ]
    return f"{{ {' '.join(parts)} }}"


def note(answer: Any, seen: Seen, place: Place = ("", "")) -> None:
    """Keep what an answer holds, by the aliases under which it stands."""
    if isinstance(answer, dict):
        for alias, value in answer.items():
            above, _, name = alias.partition("__")
            note(value, seen, (above, name))
    elif isinstance(answer, list):
        for part in answer:
            note(part, seen, place)
    elif isinstance(answer, str):
        seen.texts[place].add(answer)
        if place[1] == "id" and place[0] in NODES:
            seen.ids.add(answer)
