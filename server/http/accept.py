"""Content negotiation (RFC 9110, 12.5.1): which of our response types a client prefers.

If a client gives several types the same weight, JSON is preferred to events, since it can read both.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Final, TypeVar

JSON: Final = "application/json"

GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
"""With this type the status tells whether the operation ran; with plain JSON it is always 200 (GraphQL over HTTP, 6.4)."""

EVENTS: Final = "text/event-stream"

MOST_KEPT: Final = 100
LONGEST_KEPT: Final = 200
"""Maximum headers to cache, and maximum characters of one: clients send the same few with every request."""

T = TypeVar("T")


def _cached(read: Callable[[str], T]) -> Callable[[str], T]:
    """Cache a function of a header, for short headers."""
    cached = lru_cache(MOST_KEPT)(read)

    @wraps(read)
    def cached_read(accept: str) -> T:
        return cached(accept) if len(accept) <= LONGEST_KEPT else read(accept)

    return cached_read


@_cached
def prefers_events(accept: str) -> bool:
    """Whether the client prefers events to JSON."""
    weights = weights_of(accept)
    return weights.get(EVENTS, 0.0) > max(
        weights.get(name, 0.0) for name in (JSON, GRAPHQL_RESPONSE, "application/*", "*/*")
    )


@_cached
def json_type(accept: str) -> str:
    """The JSON type for a client: GraphQL's if it is named with at least the weight of the plain type."""
    weights = weights_of(accept)
    weight = weights.get(GRAPHQL_RESPONSE, 0.0)
    return GRAPHQL_RESPONSE if weight > 0 and weight >= weights.get(JSON, 0.0) else JSON


def weights_of(accept: str) -> Mapping[str, float]:
    """The names in a header such as Accept, in lower case, with their weights from 0 (not acceptable) to 1."""
    return dict(map(_weighted, accept.lower().split(",")))


def _weighted(part: str) -> tuple[str, float]:
    """A media range and its weight: 1 by default, 0 if `q` is invalid."""
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
