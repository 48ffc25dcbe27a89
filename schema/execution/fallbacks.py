"""Fallbacks of the list executor to graphql-core: those with a known reason, and those after a fault of its own."""

from collections import Counter
from typing import Final

import structlog
from graphql import GraphQLError

FALLBACKS: Final = Counter[str]()
"""How often graphql-core took over since the process started, by the reason of `Unforeseen` or the class of the exception.

What graphql-core then reports as an error of the operation is not counted.
"""

_log = structlog.get_logger(__name__)


class Unforeseen(Exception):
    """The list executor leaves this to graphql-core; the argument is the reason, one of few."""


def record_fallback(cause: Exception, *, strict: bool) -> None:
    """Count a fallback; if `cause` is a fault of the list executor, log it, or raise it if `strict`.

    A `GraphQLError` is no fault: graphql-core meets the same one and reports it in its place.
    """
    if isinstance(cause, GraphQLError):
        return
    if isinstance(cause, Unforeseen):
        FALLBACKS[str(cause)] += 1
        return
    FALLBACKS[type(cause).__name__] += 1
    if strict:
        raise cause
    _log.debug("the list executor failed; graphql-core took over", exc_info=cause)
