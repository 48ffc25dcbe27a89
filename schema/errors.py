"""The errors that a client reads: a `LogError` with its code; any other masked, with the id under which it is logged."""

import re
import secrets
from typing import Any, Final

import structlog
from graphql import GraphQLEnumType, GraphQLError, GraphQLSchema
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from db.connect import unavailable
from db.connect.unavailable import AWAY
from domain.errors import BadUserInput, LogError, Outage

INVALID: Final = "GRAPHQL_VALIDATION_FAILED"
"""The code for a document that is malformed or does not fit the schema."""

_log = structlog.get_logger(__name__)


def client_error(error: GraphQLError) -> GraphQLError:
    """The error as a client reads it. A `LogError` keeps its message; an internal error shows only its id in the log.

    If the database is away, the client reads that it may retry.
    """
    cause = error.original_error
    if "code" in (error.extensions or {}):
        return error
    if isinstance(cause, LogError):
        return _with_code(error, cause.message, cause.code)
    if isinstance(cause, AWAY):
        _log.warning(
            "operation failed: the database is away",
            where=_path(error),
            cause=unavailable.cause(cause),
        )
        outage = Outage()
        return _with_code(error, outage.message, outage.code)
    if isinstance(cause, CannotGetOperationTypeError | InvalidOperationTypeError):
        refused = unexecutable(cause)
        return _with_code(error, refused.message, refused.code)
    if code := _code_of_request(error):
        return _with_code(error, error.message, code)
    fault = secrets.token_hex(8)
    _log.error("operation failed", error_id=fault, where=_path(error), exc_info=cause or error)
    return _with_code(
        error,
        f"Internal error. Give this id to your administrator: {fault}.",
        LogError.code,
    )


def unexecutable(error: CannotGetOperationTypeError | InvalidOperationTypeError) -> BadUserInput:
    """The error for a valid document without an operation that can be executed here."""
    if isinstance(error, InvalidOperationTypeError):
        kind = error.operation_type.value
        return BadUserInput(
            f"A {kind} has more than one answer. Accept text/event-stream, or send it over a WebSocket."
        )
    if error.operation_name is None:
        return BadUserInput(
            "The document has no operation, or several of which none is named. Name one in `operationName`."
        )
    return BadUserInput(
        f"The document has no operation {error.operation_name!r}. Correct `operationName`, or leave it out."
    )


_NO_VALUE: Final = re.compile(r"does not exist in '(\w+)' enum\.")


def with_choices(error: GraphQLError, schema: GraphQLSchema) -> GraphQLError:
    """The error; for an unknown value of an enumeration with the known values."""
    match = _NO_VALUE.search(error.message)
    enumeration = None if match is None else schema.get_type(match[1])
    if not isinstance(enumeration, GraphQLEnumType):
        return error
    return _with_message(error, f"{error.message} Choose among {', '.join(enumeration.values)}.")


_SUGGESTION: Final = re.compile(r" Did you mean [^?]*\?")


def remove_suggestion(error: GraphQLError) -> GraphQLError:
    """The error without the suggestions of graphql-core, which name parts of the schema."""
    message = _SUGGESTION.sub("", error.message)
    return error if message == error.message else _with_message(error, message)


_IS_VALUE: Final = re.compile(r"(Variable '\$\w+'|Argument '\w+') has invalid value")


def _code_of_request(error: GraphQLError) -> str | None:
    """The code of an error in the request: in its document, or in the values of its variables; None for any other error."""
    if _IS_VALUE.match(error.message):
        return BadUserInput.code
    # graphql-core reports errors before execution without a path; a literal that cannot be parsed arrives as a Python
    # exception with its node in the document.
    is_from_graphql = isinstance(error.original_error, GraphQLError | None)
    is_unreadable = isinstance(error.original_error, ValueError) and bool(error.nodes)
    return INVALID if error.path is None and (is_from_graphql or is_unreadable) else None


def _with_message(error: GraphQLError, message: str, **changes: Any) -> GraphQLError:
    names = ("nodes", "source", "positions", "path", "original_error", "extensions")
    parts = {name: getattr(error, name) for name in names}
    return GraphQLError(message, **(parts | changes))


def _with_code(error: GraphQLError, message: str, code: str) -> GraphQLError:
    return _with_message(error, message, original_error=None, extensions={"code": code})


def _path(error: GraphQLError) -> str:
    """The path of the field without list indexes, so that one fault on a page gives equal log lines."""
    return ".".join(part for part in error.path or () if isinstance(part, str))
