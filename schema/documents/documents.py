"""Parses, measures and validates documents, once for each text, and caches them.

All transports and the execution use it: see `schema.contract`. `schema.documents.limits` defines the limits.
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
"""The characters of all cached documents. Every other character is an object that the cyclic collector scans: a tenth of a
second for this many."""


class NamedOperation(NamedTuple):
    """One operation of a document, and its cost."""

    operation: OperationDefinitionNode
    kind: OperationType
    cost: OperationCost


class Document:
    """A parsed document, and the errors of its validation."""

    def __init__(
        self, text: Text, node: DocumentNode, problems: tuple[GraphQLError, ...], costs: Costs
    ) -> None:
        self.text = text
        self.node = node
        self.problems = problems
        self._costs = costs
        self._operations: dict[str | None, NamedOperation] = {}
        """By name, and None."""

    def operation_named(self, name: str | None) -> NamedOperation:
        """The operation of that name, or the only one (GraphQL, 6.1, GetOperation). Raises `BadUserInput`."""
        if name not in self._operations:
            operations = operations_of(self.node)
            if name is not None:
                operations = [one for one in operations if one.name and one.name.value == name]
            if len(operations) != 1:
                raise unexecutable(CannotGetOperationTypeError(name))
            (operation,) = operations
            kind = OperationType(operation.operation.value)
            self._operations[name] = NamedOperation(
                operation, kind, self._costs.of(self.node, operation)
            )
        return self._operations[name]


class Prepared(NamedTuple):
    """An operation that may be executed, and its cost in objects."""

    kind: OperationType
    cost: int


class Documents:
    """The documents of one schema; the latest are cached by their text."""

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
        self._cache: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0
        self._most, self._most_characters = most, most_characters

    def __len__(self) -> int:
        return len(self._cache)

    def read(self, text: str) -> Document:
        """The document. Raises `TooComplex`, `SpreadsItself` and `GraphQLSyntaxError`."""
        if text in self._cache:
            self._cache.move_to_end(text)
            return self._cache[text]
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
        """The measured operation; None if the document is invalid, which its execution reports.

        Raises `TooComplex`, also for more than `most` objects, and `BadUserInput` if the document does not have the operation, or
        has several and no name is given.
        """
        try:
            document = self.read(text)
        except GraphQLSyntaxError:
            return None
        operation_named = document.operation_named(name)
        if document.problems:
            return None
        cost = operation_named.cost.with_variables(variables)
        check_cost(cost, most)
        return Prepared(operation_named.kind, cost)

    def _read(self, text: str) -> Document:
        source = Text(text)
        node = _parse(source, self.limits)
        check_shape(node, self.limits)
        problems = validate_document(self._schema, node, RULES)
        if not problems:
            source.keep(node)
        return Document(source, node, tuple(problems), self._costs)

    def _keep(self, text: str, document: Document) -> None:
        self._cache[text] = document
        self._characters += len(text)
        while len(self._cache) > self._most or self._characters > self._most_characters:
            oldest, document = self._cache.popitem(last=False)
            document.text.forget()
            self._characters -= len(oldest)


def _parse(source: Text, limits: Limits) -> DocumentNode:
    try:
        return parse(source, most_tokens=limits.tokens)
    except GraphQLSyntaxError as error:
        if f"more than {limits.tokens} tokens" in error.message:
            raise TooComplex(
                f"The document has more than {limits.tokens} tokens. Ask for less, or in several operations."
            ) from None
        raise


class _DocumentOwner(Protocol):
    """A schema with a cache of documents."""

    documents: Documents


class PreparedRunner(SchemaExtensionsRunner):
    """Passes the cached document to Strawberry's execution, which then neither parses nor validates; runs no extension."""

    def operation(self) -> Any:
        """No step."""
        return _NOTHING

    def parsing(self) -> Any:
        """The step that sets the document of the execution."""
        return _DocumentStep(self.execution_context)

    def validation(self) -> Any:
        """No step."""
        return _NOTHING

    def executing(self) -> Any:
        """No step."""
        return _NOTHING

    def on_stream_result(self, result: object) -> Any:
        """No step."""
        return _NOTHING


_NOTHING: Final = nullcontext()


class _DocumentStep:
    """Sets the cached document in place of the parsing."""

    def __init__(self, operation_named: ExecutionContext) -> None:
        self._operations = operation_named

    async def __aenter__(self) -> None:
        """Set the document. Leave a document that cannot be parsed to Strawberry, which reports the error.

        Raises `TooComplex`; a streamed operation is prepared before, since a stream cannot report it.
        """
        operation_named = self._operations
        documents = cast(_DocumentOwner, operation_named.schema).documents
        with suppress(GraphQLSyntaxError):
            document = documents.read(operation_named.query or "")
            operation_named.graphql_document = document.node
            operation_named.pre_execution_errors = list(document.problems)

    async def __aexit__(self, *_: object) -> None:
        """Do nothing."""
