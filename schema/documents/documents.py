"""Parses, measures and validates documents, once for each text, and caches them.

All transports and the execution use it: see `schema.contract`. `schema.documents.limits` defines the limits.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any, Final, NamedTuple, cast

from graphql import DocumentNode, GraphQLSchema, GraphQLSyntaxError
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema.schema import validate_document
from strawberry.types import ExecutionContext
from strawberry.types.graphql import OperationType

from domain.errors import TooComplex
from schema.documents.costs import Costs, check_cost
from schema.documents.document_plan import DocumentPlan
from schema.documents.limits import LIMITS, Limits, check_length, check_shape
from schema.documents.parser import parse
from schema.documents.validation import RULES

MOST_DOCUMENTS: Final = 1_000
MOST_CHARACTERS: Final = 256 * 1024
"""The characters of all cached documents. Every other character is an object that the cyclic collector scans: a tenth of a
second for this many."""


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
        self._cache: OrderedDict[str, DocumentPlan] = OrderedDict()
        self._characters = 0
        self._most, self._most_characters = most, most_characters

    def __len__(self) -> int:
        return len(self._cache)

    def read(self, text: str) -> DocumentPlan:
        """The document. Raises `TooComplex`, `FragmentCycle` and `GraphQLSyntaxError`."""
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

    def _read(self, text: str) -> DocumentPlan:
        node = _parse(text, self.limits)
        check_shape(node, self.limits)
        problems = validate_document(self._schema, node, RULES)
        return DocumentPlan(node, tuple(problems), self._costs)

    def _keep(self, text: str, document: DocumentPlan) -> None:
        self._cache[text] = document
        self._characters += len(text)
        while len(self._cache) > self._most or self._characters > self._most_characters:
            oldest, _ = self._cache.popitem(last=False)
            self._characters -= len(oldest)


def _parse(text: str, limits: Limits) -> DocumentNode:
    try:
        return parse(text, most_tokens=limits.tokens)
    except GraphQLSyntaxError as error:
        if f"more than {limits.tokens} tokens" in error.message:
            raise TooComplex(
                f"The document has more than {limits.tokens} tokens. Ask for less, or in several operations."
            ) from None
        raise


class PreparedRunner(SchemaExtensionsRunner):
    """Passes the cached document to Strawberry's execution, which then neither parses nor validates; runs no extension."""

    def parsing(self) -> Any:
        """The step that sets the document of the execution."""
        return _set_document(self.execution_context)

    def operation(self) -> Any:
        """No step."""
        return nullcontext()

    validation = executing = operation

    def on_stream_result(self, result: object) -> Any:
        """No step."""
        return nullcontext()


@asynccontextmanager
async def _set_document(execution: ExecutionContext) -> AsyncIterator[None]:
    """Leave a document that cannot be parsed to Strawberry, which reports the error.

    Raises `TooComplex`; a streamed operation is prepared before, since a stream cannot report it.
    """
    with suppress(GraphQLSyntaxError):
        document = cast(Any, execution.schema).documents.read(execution.query or "")
        execution.graphql_document = document
        execution.pre_execution_errors = list(document.problems)
    yield
