"""The GraphQL type of a delivery."""

from datetime import datetime

import strawberry

from db.log.deliveries import DeliveryRecord
from domain.ids import Kind, speller
from domain.report import status_label
from domain.status import DeliveryMode, DeliveryStatus
from resolvers import deliveries
from schema.binding import bound, describes, plain, pure
from schema.types.parts import (
    CallStatus,
    DeliveryEvent,
    DeliveryFailure,
    Node,
    call_status_of,
    failure_shown,
    provider_of,
)


@describes(DeliveryRecord)
class Delivery(Node):
    """One message to one address of one recipient."""

    id: strawberry.ID = pure(speller(Kind.DELIVERY), "message_id", "recipient_number", "number")
    mode: DeliveryMode
    address: str = plain(description="E-mail address, phone number (E.164) or portal account.")
    status: DeliveryStatus
    status_label: str = pure(
        status_label,
        "status",
        "call_status_code",
        description='As a report prints it: "Sent", "In-Progress", "Live Person".',
    )
    call_status: CallStatus | None = pure(
        call_status_of,
        "call_status_code",
        description="Voice and text only; null until the provider reports one.",
    )
    is_duplicate: bool = plain(
        description="The same address stands earlier in this message: shown, never sent, not in the totals."
    )
    at: datetime | None = plain(description="When the person got it, or when it last changed.")
    attempts: int
    events: list[DeliveryEvent] = bound(
        deliveries.events_of, description="Everything that happened to it, oldest first."
    )
    provider: str | None = pure(
        provider_of,
        "status",
        "gateway",
        description="The gateway that took it; null while none has.",
    )
    failure: DeliveryFailure | None = pure(
        failure_shown,
        "mode",
        "status",
        "call_status_code",
        "gateway",
        "failure_code",
        description="Null unless it failed.",
    )
