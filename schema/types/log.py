"""The GraphQL types of a page of the log."""

from resolvers import messages
from resolvers.request.connection import Edge
from schema.binding import bound, describes, pure
from schema.types.messages import Message
from schema.types.parts import (
    MessageFacets,
    PageInfo,
)


@describes(Edge)
class MessageEdge:
    """A message and its cursor."""

    cursor: str
    node: Message


@describes(messages.MessageListing)
class MessageConnection:
    """A page of the log."""

    edges: list[MessageEdge]
    nodes: list[Message]
    page_info: PageInfo
    total_count: int = bound(messages.total, reads=())
    facets: MessageFacets = pure(
        lambda listing: listing,
        description=(
            "The values to offer in each column's drop-down: those present under the other filters, with counts."
        ),
    )
