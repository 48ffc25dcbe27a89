"""What a client reads of an error: ours with their code, everything else masked with an id that is in the log."""

import re
import secrets
from typing import Final

import structlog
from graphql import GraphQLError
from strawberry.extensions import MaskErrors

from domain.errors import BadUserInput, LogError

INVALID: Final = "GRAPHQL_VALIDATION_FAILED"
"""The document is malformed, or does not fit the schema."""

_log = structlog.get_logger(__name__)


class CodedErrors(MaskErrors):
    """Gives every error its code. `LogError` speaks for itself; a fault of ours says only under which id it is in the log."""

    def __init__(self) -> None:
        super().__init__(should_mask_error=lambda error: True)

    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        """The error as a client reads it."""
        cause = error.original_error
        if isinstance(cause, LogError):
            return _coded(error, cause.message, cause.code)
        if cause is None or isinstance(cause, GraphQLError):
            return _coded(error, error.message, _code_of_document(error))
        fault = secrets.token_hex(8)
        _log.error("an operation failed", error_id=fault, where=_spelled(error), exc_info=cause)
        return _coded(
            error,
            f"Something failed here. Whoever runs the log finds it under {fault}.",
            LogError.code,
        )


_IS_VALUE: Final = re.compile(r"Variable '\$\w+' (got invalid value|of (required|non-null) type)")


def _code_of_document(error: GraphQLError) -> str:
    """The variables are checked when the document is known to be valid: their errors are about what was put in."""
    if error.extensions and isinstance(code := error.extensions.get("code"), str):
        return code
    return (
        BadUserInput.code if _IS_VALUE.match(error.message) or error.path is not None else INVALID
    )


def _coded(error: GraphQLError, message: str, code: str) -> GraphQLError:
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
