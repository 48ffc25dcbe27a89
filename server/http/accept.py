"""Which of the types in which an operation can be answered a client would have (RFC 9110, 12.5.1).

A client that names several with the same weight gets what it can read in every case: JSON before events.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Final, TypeVar

JSON: Final = "application/json"

GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
"""With this type the status tells whether the operation ran; with plain JSON it is 200 (GraphQL over HTTP, 6.4)."""

EVENTS: Final = "text/event-stream"

MOST_KEPT: Final = 100
LONGEST_KEPT: Final = 200
"""Headers, and characters of one, whose reading is kept: clients send the same few with every request."""

T = TypeVar("T")


def _kept(read: Callable[[str], T]) -> Callable[[str], T]:
    """The same function, which reads a header that it has read before no more."""
    kept = lru_cache(MOST_KEPT)(read)

    @wraps(read)
    def reading(accept: str) -> T:
        return kept(accept) if len(accept) <= LONGEST_KEPT else read(accept)

    return reading


@_kept
def prefers_events(accept: str) -> bool:
    """Whether a client would rather have events than JSON."""
    weights = weights_of(accept)
    return weights.get(EVENTS, 0.0) > max(
        weights.get(name, 0.0) for name in (JSON, GRAPHQL_RESPONSE, "application/*", "*/*")
    )


@_kept
def json_type(accept: str) -> str:
    """The type of JSON for a client: the one of GraphQL where it is named, and no less wanted than the plain one."""
    weights = weights_of(accept)
    weight = weights.get(GRAPHQL_RESPONSE, 0.0)
    return GRAPHQL_RESPONSE if weight > 0 and weight >= weights.get(JSON, 0.0) else JSON


def weights_of(accept: str) -> Mapping[str, float]:
    """What a header of the kind of Accept names, in lower case, and how much each is wanted: from 0, not at all, to 1."""
    return dict(map(_weighed, accept.lower().split(",")))


def _weighed(part: str) -> tuple[str, float]:
    """A media range and its weight: 1 unless `q` says otherwise, 0 where that cannot be read."""
    name, *parameters = (piece.strip() for piece in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                return name, 0.0
            return name, weight if 0 <= weight <= 1 else 0.0
    return name, 1.0
