"""Documents, each read once: measured, parsed, measured again, validated, and kept for whoever sends the same text again.

All transports come by here, and so does the execution: see `schema.contract`. What the limits are is `schema.documents.limits`'.
"""

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from typing import Any, Final, NamedTuple, Protocol, cast

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
)
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.schema.schema import validate_document
from strawberry.types import ExecutionContext
from strawberry.types.graphql import OperationType

from domain.errors import TooComplex
from schema.documents.costs import Costs, OperationCost, check_cost
from schema.documents.limits import LIMITS, Limits, check_length, check_shape, operations_of
from schema.documents.parser import parse
from schema.documents.validation import RULES
from schema.errors import unexecutable
from schema.execution.collected_fields import Text

MOST_DOCUMENTS: Final = 1_000
MOST_CHARACTERS: Final = 256 * 1024
"""Of all documents that are kept. Every other character is an object that the cyclic collector looks at, when it looks at all:
a tenth of a second for so many."""


class Asked(NamedTuple):
    """One of the operations of a document, and what it costs."""

    operation: OperationDefinitionNode
    kind: OperationType
    cost: OperationCost


class Document:
    """A document, and what is wrong with it: nothing, or all that validation found."""

    def __init__(
        self, text: Text, node: DocumentNode, problems: tuple[GraphQLError, ...], costs: Costs
    ) -> None:
        self.text = text
        self.node = node
        self.problems = problems
        self._costs = costs
        self._asked: dict[str | None, Asked] = {}
        """By the names that there are, and None."""

    def asked(self, name: str | None) -> Asked:
        """The operation of that name, or the only one (GraphQL, 6.1, GetOperation). Raises `BadUserInput`."""
        if name not in self._asked:
            operations = operations_of(self.node)
            if name is not None:
                operations = [one for one in operations if one.name and one.name.value == name]
            if len(operations) != 1:
                raise unexecutable(CannotGetOperationTypeError(name))
            (operation,) = operations
            kind = OperationType(operation.operation.value)
            self._asked[name] = Asked(operation, kind, self._costs.of(self.node, operation))
        return self._asked[name]


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
        asked = document.asked(name)
        if document.problems:
            return None
        cost = asked.cost.given(variables)
        check_cost(cost, most)
        return Prepared(asked.kind, cost)

    def _read(self, text: str) -> Document:
        source = Text(text)
        node = _parsed(source, self.limits)
        check_shape(node, self.limits)
        problems = validate_document(self._schema, node, RULES)
        if not problems:
            source.keep(node)
        return Document(source, node, tuple(problems), self._costs)

    def _keep(self, text: str, document: Document) -> None:
        self._kept[text] = document
        self._characters += len(text)
        while len(self._kept) > self._most or self._characters > self._most_characters:
            oldest, document = self._kept.popitem(last=False)
            document.text.forget()
            self._characters -= len(oldest)


def _parsed(source: Text, limits: Limits) -> DocumentNode:
    try:
        return parse(source, most_tokens=limits.tokens)
    except GraphQLSyntaxError as error:
        if f"more than {limits.tokens} tokens" in error.message:
            raise TooComplex(
                f"The document has more than {limits.tokens} tokens. Ask for less, or in several operations."
            ) from None
        raise


class _Reader(Protocol):
    """A schema that has its documents read here."""

    documents: Documents


class AsRead(SchemaExtensionsRunner):
    """Has Strawberry execute a document as it was read here, neither parsed nor validated again, and runs nothing else.

    What an extension would do around the steps of an operation, our schema does itself.
    """

    def operation(self) -> Any:
        """Nothing."""
        return _NOTHING

    def parsing(self) -> Any:
        """What gives the execution its document."""
        return _Reading(self.execution_context)

    def validation(self) -> Any:
        """Nothing."""
        return _NOTHING

    def executing(self) -> Any:
        """Nothing."""
        return _NOTHING

    def on_stream_result(self, result: object) -> Any:
        """Nothing."""
        return _NOTHING


_NOTHING: Final = nullcontext()


class _Reading:
    """Around the parsing of a document that was read already."""

    def __init__(self, asked: ExecutionContext) -> None:
        self._asked = asked

    async def __aenter__(self) -> None:
        """Give the execution its document. What cannot be read is left to Strawberry, which tells it.

        Raises `TooComplex`: whoever streams prepares first, since a stream has no place for it.
        """
        asked = self._asked
        documents = cast(_Reader, asked.schema).documents
        with suppress(GraphQLSyntaxError):
            document = documents.read(asked.query or "")
            asked.graphql_document = document.node
            asked.pre_execution_errors = list(document.problems)

    async def __aexit__(self, *_: object) -> None:
        """Nothing is left to do."""
