"""Limits of documents: measures the shape of each operation before validation, in time linear in its document.

A fragment is measured once, wherever it is spread, and its numbers are added. So a chain of fragments that spread each other
twice is refused quickly, although its expansion is exponential.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from domain.errors import BadUserInput, TooComplex, TooLong
from schema.errors import INVALID

NESTING: Final = 100
"""Maximum nesting of selections, with fragments: functions that walk a document recurse, and the stack is limited."""


class FragmentCycle(BadUserInput):
    """A fragment contains itself."""

    code = INVALID


class Limits(NamedTuple):
    """The limits of an operation with all its fragments expanded. GraphiQL's introspection query must pass."""

    bytes: int = 64 * 1024
    tokens: int = 3_000
    """Parsed in 12 ms; a query of every field has 2,600, the largest of the console 600."""
    depth: int = 20
    fields: int = 2_000
    aliases: int = 200
    directives: int = 200
    root_fields: int = 25
    """This many lists with all fields of a screen are parsed and validated in 25 ms; the console uses one."""
    collisions: int = 1_000
    """Pairs of fields with one key in one place: validation compares each pair."""
    cost: int = 200_000
    """Objects: twice the largest page with five objects a row."""


LIMITS: Final = Limits()


def check_length(text: str, limits: Limits = LIMITS) -> None:
    """Pass if a document is short enough to be parsed. Raises `TooLong`."""
    # At most four bytes a character: compare the cheap count first.
    size = len(text) if len(text) > limits.bytes else len(text.encode(errors="replace"))
    if size > limits.bytes:
        raise TooLong(
            f"The document has {size} bytes; {limits.bytes} are allowed. Put values into variables, and ask for less at once."
        )


@dataclass(slots=True)
class _Shape:
    """The numbers of a selection, with its fragments expanded."""

    fields: int = 0
    aliases: int = 0
    directives: int = 0
    depth: int = 0
    collisions: int = 0
    keys: Counter[str] = field(default_factory=Counter)
    """How often each key occurs directly in it."""

    def include(self, other: "_Shape") -> None:
        """Add a fragment in the same place."""
        self.include_below(other, levels=0)
        for key, times in other.keys.items():
            self.collisions += self.keys[key] * times
            self.keys[key] += times

    def include_below(self, other: "_Shape", *, levels: int = 1) -> None:
        """Add a selection further down."""
        self.fields += other.fields
        self.aliases += other.aliases
        self.directives += other.directives
        self.depth = max(self.depth, other.depth + levels)
        self.collisions += other.collisions

    def include_field(self, node: FieldNode) -> None:
        """Add a field."""
        self.fields += 1
        self.aliases += node.alias is not None
        self.depth = max(self.depth, 1)
        key = (node.alias or node.name).value
        self.collisions += self.keys[key]
        self.keys[key] += 1


def check_shape(document: DocumentNode, limits: Limits = LIMITS) -> None:
    """Pass if each operation of a document is within the limits. Raises `TooComplex` and `FragmentCycle`."""
    shapes = _Shapes(document, limits)
    for name in shapes.fragments:
        shapes.of_fragment(name)
    for operation in operations_of(document):
        shape = shapes.of(operation.selection_set)
        _refuse_beyond("root fields", sum(shape.keys.values()), limits.root_fields)


class _Shapes:
    """Measures the fragments of a document, each once."""

    def __init__(self, document: DocumentNode, limits: Limits) -> None:
        self.fragments = fragments_of(document)
        self._limits = limits
        self._made: dict[str, _Shape | None] = {}
        """None: in progress."""
        self._depth = 0

    def of_fragment(self, name: str) -> _Shape:
        """The shape of a fragment; empty if it is not defined."""
        if name in self._made:
            shape = self._made[name]
            if shape is None:
                raise FragmentCycle(f"The fragment {name!r} spreads itself. Take the spread out.")
            return shape
        if name not in self.fragments:
            return _Shape()
        self._made[name] = None
        shape = self._made[name] = self.of(self.fragments[name].selection_set)
        return shape

    def of(self, selections: SelectionSetNode) -> _Shape:
        """The shape of a selection. Raises as soon as a limit is exceeded."""
        self._depth += 1
        _refuse_beyond("selections within each other", self._depth, NESTING)
        shape = _Shape()
        for node in selections.selections:
            shape.directives += len(node.directives or ())
            if isinstance(node, FieldNode):
                shape.include_field(node)
                if node.selection_set is not None:
                    shape.include_below(self.of(node.selection_set))
            elif isinstance(node, InlineFragmentNode):
                shape.include(self.of(node.selection_set))
            elif isinstance(node, FragmentSpreadNode):
                shape.include(self.of_fragment(node.name.value))
            # Check at each step, so that the numbers stay small.
            self._check(shape)
        self._depth -= 1
        return shape

    def _check(self, shape: _Shape) -> None:
        limits = self._limits
        _refuse_beyond("levels", shape.depth, limits.depth)
        _refuse_beyond("fields", shape.fields, limits.fields)
        _refuse_beyond("aliases", shape.aliases, limits.aliases)
        _refuse_beyond("directives", shape.directives, limits.directives)
        _refuse_beyond("pairs of fields under one key", shape.collisions, limits.collisions)


def operations_of(document: DocumentNode) -> Sequence[OperationDefinitionNode]:
    """The operations of a document, in its order."""
    return [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]


def fragments_of(document: DocumentNode) -> Mapping[str, FragmentDefinitionNode]:
    """The fragments of a document by name."""
    return {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }


def _refuse_beyond(what: str, number: int, limit: int) -> None:
    if number > limit:
        raise TooComplex(
            f"The operation has {format_number(number)} {what}, with all fragments put in; {limit} are allowed. "
            "Ask for less, or in several operations."
        )


def format_number(number: int) -> str:
    """A number as text, shortened: a chain of fragments can produce thousands of digits."""
    return str(number) if number < 10**12 else "more than 1000000000000"
