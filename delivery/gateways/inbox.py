"""The inbox of the portal: the delivery's row is the inbox entry, so there is no provider.

Claim and outcome are one transaction, so a delivery happens exactly once.
"""

from collections.abc import Sequence

from delivery.gateways.base import Accepted, Handover, Outcome
from delivery.gateways.port import Gateway, Passage
from domain.status import DeliveryMode, DeliveryStatus


class InboxGateway(Gateway[Handover]):
    """The gateway for inbox messages."""

    name = "inbox"
    modes = frozenset({DeliveryMode.INBOX})
    batch = 500
    per_second = None
    in_transaction = True

    def compose(self, handover: Handover) -> Handover:
        return handover

    async def transmit(self, composed: Sequence[Handover], passage: Passage) -> Sequence[Outcome]:
        await passage.leave()
        return [Accepted(None, DeliveryStatus.SENT) for _ in composed]
