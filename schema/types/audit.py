"""The GraphQL types of the audit."""

from datetime import datetime

import strawberry

from db.audit.entries import Action
from db.audit.trail import AuditRecord
from domain.ids import Kind, speller
from resolvers.audit import trail
from resolvers.request.connection import Edge
from schema.binding import describes, plain, pure
from schema.types.parts import Node, PageInfo


@describes(AuditRecord)
class AuditEntry(Node):
    """One action of one person or service. Nobody can change it."""

    id: strawberry.ID = pure(speller(Kind.AUDIT_ENTRY), "id")
    at: datetime
    viewer_id: str
    viewer_name: str | None = plain(
        description=(
            "The name of who did it, as in the sign-in at that time. Null: a command on the server, a link that somebody "
            "else followed without a sign-in, or an entry from before names were kept."
        )
    )
    action: Action
    subject: str = plain(description="The id of what was looked at or acted on.")
    origin: str | None = plain(description="The address from which the request came.")
    request_id: str | None
    messages: int | None = plain(description="How many messages came in. Null: it was no upload.")


@describes(Edge)
class AuditEdge:
    """An audit entry and its cursor."""

    cursor: str
    node: AuditEntry


@describes(trail.AuditListing)
class AuditConnection:
    """A page of the audit."""

    edges: list[AuditEdge]
    nodes: list[AuditEntry]
    page_info: PageInfo
