"""The GraphQL types of an inbox."""

from datetime import datetime

from db.log.inbox import InboxRecord
from domain.message import BodyFormat
from resolvers import messages
from resolvers.people import inbox
from resolvers.request.connection import Edge
from schema.binding import bound, describes, plain, pure
from schema.types.deliveries import Delivery
from schema.types.messages import Student, student_of
from schema.types.parts import PageInfo, School, Sender, SenderRecord


@describes(InboxRecord)
class InboxItem:
    """A message in the inbox of a portal account."""

    delivery: Delivery = bound(
        inbox.delivery_of, reads=["message_id", "recipient_number", "number"]
    )
    subject: str
    sender: Sender = pure(SenderRecord, "sender_id", "sender_name")
    school: School | None = bound(
        messages.school_of, reads=["school_id"], description="Null: sent for the whole district."
    )
    body: str = bound(
        inbox.body,
        reads=["message_id"],
        description="What the message says. It is whole for everybody who may read the inbox.",
    )
    body_format: BodyFormat = bound(inbox.body_format, reads=["message_id"])
    received_at: datetime = plain(
        description="When it was put into the inbox; its scheduled time if imported history names none."
    )
    student: Student | None = pure(student_of, "student_id", "student_name")


@describes(Edge)
class InboxEdge:
    """A message in an inbox, and its cursor."""

    cursor: str
    node: InboxItem


@describes(inbox.InboxListing)
class InboxConnection:
    """A page of an inbox."""

    edges: list[InboxEdge]
    nodes: list[InboxItem]
    page_info: PageInfo
