"""Who looked or acted: the types of the audit."""

from datetime import datetime

from db.audit import Action
from db.audit_trail import AuditRecord
from resolvers import audit_trail
from resolvers.listing import Edge
from schema.binding import describes, plain
from schema.parts import PageInfo


@describes(AuditRecord)
class AuditEntry:
    """One look or act. Nobody can change it."""

    at: datetime
    viewer_id: str
    action: Action
    subject: str = plain(description="The id of what was looked at or acted on.")
    origin: str | None = plain(description="The address from which the request came.")
    request_id: str | None
    messages: int | None = plain(description="How many messages came in. Null: it was no upload.")


@describes(Edge)
class AuditEdge:
    """An entry in the audit."""

    cursor: str
    node: AuditEntry


@describes(audit_trail.AuditListing)
class AuditConnection:
    """A page of the audit."""

    edges: list[AuditEdge]
    nodes: list[AuditEntry]
    page_info: PageInfo
