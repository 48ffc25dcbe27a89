"""Documents, each read once: measured, parsed, measured again, validated, and kept for whoever sends the same text again.

All transports come by here, and so does the execution: see `schema.contract`. What the limits are is `schema.limits`'.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol, cast

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    parse,
    specified_rules,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.schema.schema import validate_document
from strawberry.types.graphql import OperationType

from domain.errors import TooComplex
from schema.errors import unexecutable
from schema.limits import (
    LIMITS,
    Costs,
    Limits,
    check_cost,
    check_length,
    check_shape,
    operations_of,
)

MOST_DOCUMENTS: Final = 1_000
MOST_CHARACTERS: Final = 2 * 1024 * 1024
"""Of all documents that are kept; what is made of one takes about fifty times as much memory."""


class Document(NamedTuple):
    """A document, and what is wrong with it: nothing, or all that validation found."""

    node: DocumentNode
    problems: tuple[GraphQLError, ...]

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation of that name, or the only one (GraphQL, 6.1, GetOperation). Raises `BadUserInput`."""
        operations = operations_of(self.node)
        if name is not None:
            operations = [one for one in operations if one.name and one.name.value == name]
        if len(operations) != 1:
            raise unexecutable(CannotGetOperationTypeError(name))
        return operations[0]


class Prepared(NamedTuple):
    """An operation that may be executed, and what it costs: objects that it may return."""

    kind: OperationType
    cost: int


class Documents:
    """The documents of one schema; the last ones are kept, by their text."""

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        limits: Limits = LIMITS,
        most: int = MOST_DOCUMENTS,
        most_characters: int = MOST_CHARACTERS,
    ) -> None:
        self.limits = limits
        self._schema = schema
        self._costs = Costs(schema)
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0
        self._most, self._most_characters = most, most_characters

    def __len__(self) -> int:
        return len(self._kept)

    def read(self, text: str) -> Document:
        """The document. Raises `TooComplex`, `SpreadsItself`, and `GraphQLSyntaxError` where it is none."""
        if text in self._kept:
            self._kept.move_to_end(text)
            return self._kept[text]
        check_length(text, self.limits)
        document = self._read(text)
        self._keep(text, document)
        return document

    def prepare(
        self,
        text: str,
        *,
        name: str | None = None,
        variables: Mapping[str, Any] | None = None,
        most: int = LIMITS.cost,
    ) -> Prepared | None:
        """The operation that is asked for; None where the document does not fit, which its execution then tells.

        Raises `TooComplex`, also for more than `most` objects; and `BadUserInput` where the document has no such operation,
        or several and no name.
        """
        try:
            document = self.read(text)
        except GraphQLSyntaxError:
            return None
        operation = document.operation(name)
        if document.problems:
            return None
        cost = self._costs.cost(document.node, operation, variables)
        check_cost(cost, most)
        return Prepared(OperationType(operation.operation.value), cost)

    def _read(self, text: str) -> Document:
        node = _parsed(text, self.limits)
        check_shape(node, self.limits)
        problems = validate_document(self._schema, node, tuple(specified_rules))
        return Document(node, tuple(problems))

    def _keep(self, text: str, document: Document) -> None:
        self._kept[text] = document
        self._characters += len(text)
        while len(self._kept) > self._most or self._characters > self._most_characters:
            oldest, _ = self._kept.popitem(last=False)
            self._characters -= len(oldest)


def _parsed(text: str, limits: Limits) -> DocumentNode:
    try:
        return parse(text, max_tokens=limits.tokens)
    except GraphQLSyntaxError as error:
        if f"more than {limits.tokens} tokens" in error.message:
            raise TooComplex(
                f"The document has more than {limits.tokens} tokens. Ask for less, or in several operations."
            ) from None
        raise


class _Reader(Protocol):
    """A schema that has its documents read here."""

    documents: Documents


class AsPrepared(SchemaExtension):
    """Has Strawberry execute a document as it was read here: neither parsed nor validated again."""

    async def on_parse(self) -> AsyncIterator[None]:
        """Give the execution its document. What cannot be read is left to the ordinary way, which tells it.

        Raises `TooComplex`: whoever streams prepares first, since a stream has no place for it.
        """
        asked = self.execution_context
        documents = cast(_Reader, asked.schema).documents
        with suppress(GraphQLSyntaxError):
            document = documents.read(asked.query or "")
            asked.graphql_document = document.node
            asked.pre_execution_errors = list(document.problems)
        yield
