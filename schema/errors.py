"""What a client reads of an error: ours with their code, everything else masked with an id that is in the log."""

import re
import secrets
from typing import Final

import structlog
from graphql import GraphQLEnumType, GraphQLError, GraphQLSchema
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from db.connect.unavailable import AWAY
from db.connect.unavailable import cause as kind
from domain.errors import BadUserInput, LogError, Outage

INVALID: Final = "GRAPHQL_VALIDATION_FAILED"
"""The document is malformed, or does not fit the schema."""

_log = structlog.get_logger(__name__)


def coded(error: GraphQLError) -> GraphQLError:
    """The error as a client reads it. A `LogError` speaks for itself; a fault of ours says only where the log has it.

    A database that is away is no fault of ours: the client reads that it may ask again.
    """
    cause = error.original_error
    if "code" in (error.extensions or {}):
        return error
    if isinstance(cause, LogError):
        return _with_code(error, cause.message, cause.code)
    if isinstance(cause, AWAY):
        _log.warning(
            "an operation failed: the database is away", where=_spelled(error), reason=kind(cause)
        )
        outage = Outage()
        return _with_code(error, outage.message, outage.code)
    if isinstance(cause, CannotGetOperationTypeError | InvalidOperationTypeError):
        refused = unexecutable(cause)
        return _with_code(error, refused.message, refused.code)
    if code := _code_of_request(error):
        return _with_code(error, error.message, code)
    fault = secrets.token_hex(8)
    _log.error(
        "an operation failed", error_id=fault, where=_spelled(error), exc_info=cause or error
    )
    return _with_code(
        error,
        f"Something failed here. Whoever runs the log finds it under {fault}.",
        LogError.code,
    )


def unexecutable(error: CannotGetOperationTypeError | InvalidOperationTypeError) -> BadUserInput:
    """That a document which can be read has no operation to execute here."""
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
    """The error; where it is about a value that an enumeration has not, with those that it has."""
    found = _NO_VALUE.search(error.message)
    made = None if found is None else schema.get_type(found[1])
    if not isinstance(made, GraphQLEnumType):
        return error
    return _with_message(error, f"{error.message} Choose among {', '.join(made.values)}.")


_SUGGESTION: Final = re.compile(r" Did you mean [^?]*\?")


def remove_suggestion(error: GraphQLError) -> GraphQLError:
    """The error without the names of the schema that graphql-core suggests in place of an unknown one."""
    message = _SUGGESTION.sub("", error.message)
    return error if message == error.message else _with_message(error, message)


_IS_VALUE: Final = re.compile(r"(Variable '\$\w+'|Argument '\w+') has invalid value")


def _code_of_request(error: GraphQLError) -> str | None:
    """The code of what is wrong with a request itself: its text, or what was put into its variables. None: nothing is."""
    if _IS_VALUE.match(error.message):
        return BadUserInput.code
    # What is read before anything is executed leads to no field, and is told by graphql-core; what a reader of literals
    # could not read comes as an error of Python, and stands somewhere in the document.
    is_told = isinstance(error.original_error, GraphQLError | None)
    is_unreadable = isinstance(error.original_error, ValueError) and bool(error.nodes)
    return INVALID if error.path is None and (is_told or is_unreadable) else None


def _with_message(error: GraphQLError, message: str) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        original_error=error.original_error,
        extensions=error.extensions,
    )


def _with_code(error: GraphQLError, message: str, code: str) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions={"code": code},
    )


def _spelled(error: GraphQLError) -> str:
    """The path of the field, without the places in lists: one fault on a page of thousands is one kind of line."""
    return ".".join(part for part in error.path or () if isinstance(part, str))
